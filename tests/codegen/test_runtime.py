"""The native runtime: threads, forks, the disk cache, other CPUs, plans that never repeat."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

TRAIN = """
import numpy as np
import rushlight as torch
from benchmarks.lenet import make_step
from rushlight.core.codegen import library, pool
from rushlight.core.runtime import compiler
"""


def run(program: str, tmp_path, **environment) -> str:
    """What a program prints, in a process of its own with a kernel cache of its own."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN + textwrap.dedent(program)], capture_output=True, text=True,
        env={**os.environ, "RUSHLIGHT_JIT": "sync", "RUSHLIGHT_HOME": str(tmp_path / "home"),
             **environment}, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_number_of_threads_changes_no_bit(tmp_path):
    shown = run("""
        for count in (1, 2, 3, 7):
            torch.set_num_threads(count)
            step = make_step(torch, 33)
            x = torch.randn(700, 901, requires_grad=True)
            y = torch.softmax((x * 1.5 + x.mean(1, keepdim=True)).tanh(), 0)
            (y * y).sum().backward()
            z = torch.randn(300, 200) @ torch.randn(200, 123)
            digest = hash(tuple(t.detach().numpy().tobytes() for t in (z, x.grad, y)))
            print([step() for _ in range(4)], digest)
    """, tmp_path, PYTHONHASHSEED="0").splitlines()
    assert len(shown) == 4 and len(set(shown)) == 1


def test_a_forked_child_computes_with_threads_of_its_own(tmp_path):
    shown = run("""
        torch.set_num_threads(2)
        x = torch.randn(1000, 1000)
        def work():
            return ((x * 2 + 1).relu() - x).tanh().sum().item()
        expected = work()
        for _ in range(3):
            child = os.fork() if (os := __import__("os")) else 0
            if child == 0:
                os._exit(0 if work() == expected else 1)
            print(os.waitpid(child, 0)[1], work() == expected)
    """, tmp_path).splitlines()
    assert shown == ["0 True"] * 3


FORKS = """
import os, sys, time
import rushlight as torch
x = torch.randn(1000)
def step(n):
    return (torch.sin(x * n) + x.exp()).sum().item()
for _ in range(3):
    step(1.5)
time.sleep(float(sys.argv[1]))
child = os.fork()
if child == 0:
    for _ in range(4):
        step(2.5)
    from rushlight.core.runtime.compiler import wait
    os._exit(0 if wait() else 1)
print(os.waitpid(child, 0)[1])
"""


def test_a_fork_never_meets_a_half_done_compile(tmp_path):
    """Children forked 0 to 0.3 s after the compiler's thread began, the cache empty: each compiles
    plans of its own and ends."""
    for number in range(16):
        done = subprocess.run(
            [sys.executable, "-c", FORKS, str(number / 50)], capture_output=True, text=True,
            timeout=100, env={**os.environ, "RUSHLIGHT_JIT": "1",
                              "RUSHLIGHT_HOME": str(tmp_path / str(number))})
        assert (done.stdout, done.stderr) == ("0\n", "")


WEIGHTS = """
    from rushlight.core.runtime import native
    packings = []
    pack = native.NativePlan._pack
    def counted(self, pooled, values):
        for leaf, number, *_ in self.kept:
            known = values and getattr(values[leaf], "forms", None)
            packings.append(number not in (known or ()))
        return pack(self, pooled, values)
    native.NativePlan._pack = counted
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(40, 48, 3, padding=1)
    w = conv.weight
    x = torch.randn(1, 40, 12, 12)
    run = torch.compile(conv) if {compiled} else conv
    def show(what):
        with torch.no_grad():
            for _ in range(5):
                packings.clear()
                total = run(x).square().sum().item()
                compiler.wait()
                print(what, round(total / 100), packings)
    show("first")
    with torch.no_grad():
        w.mul_(2)
        show("in place")
        w[3, 2, 1, 0] = 50
        show("an element")
        w.copy_(torch.ones_like(w))
        show("copied")
        shared = w.detach().numpy()
        shared[5] = 3
        show("shared")
        del shared
        show("no longer shared")
        conv.load_state_dict({{k: v * 0.5 for k, v in conv.state_dict().items()}})
        show("loaded")
    optimizer = torch.optim.SGD(conv.parameters(), lr=1e-3)
    conv(x).sum().backward()
    optimizer.step()
    show("trained")
    other = torch.randn(2, 40, 12, 12)
    with torch.no_grad():
        for _ in range(4):
            print("another plan", round(conv(other).square().sum().item() / 100))
            compiler.wait()
"""


@pytest.mark.parametrize("compiled", [False, True])
def test_weights_packed_once_are_packed_again_when_they_change(compiled, tmp_path):
    program = WEIGHTS.format(compiled=compiled)
    lines = run(program, tmp_path, RUSHLIGHT_JIT="1").splitlines()
    wanted = run(program, tmp_path, RUSHLIGHT_JIT="0").splitlines()
    values = [line.partition("[")[0].split() for line in lines]
    assert values == [line.partition("[")[0].split() for line in wanted]
    state = {}        # what is said of the packing in the last run of each part
    for line in lines:
        if "[" in line:
            said, _, packings = line.partition(" [")
            state[said.rsplit(None, 1)[0]] = packings.rstrip("]")
    assert state["first"] == "False"            # kept, and found again
    for what in ("in place", "an element", "copied", "loaded", "trained", "no longer shared"):
        assert state[what] == "False", what
    assert state["shared"] != "False"           # may change at any time


def test_an_idle_pool_sleeps(tmp_path):
    shown = run("""
        import time
        torch.set_num_threads(4)
        x = torch.randn(2000, 1000)
        (x * 2).abs().sum().item()
        time.sleep(0.1)
        before = time.process_time()
        time.sleep(1)
        print(time.process_time() - before < 0.2)
    """, tmp_path)
    assert shown == "True\n"


def test_a_second_process_compiles_nothing(tmp_path):
    program = """
        step = make_step(torch, 4)
        print([step() for _ in range(3)])
        print(library.statistics["compiled"])
    """
    first = run(program, tmp_path).splitlines()
    second = run(program, tmp_path).splitlines()
    assert first[0] == second[0]
    assert int(first[1]) > 0 and int(second[1]) == 0


def test_torn_and_foreign_cache_files_are_rebuilt(tmp_path):
    program = """
        x = torch.arange(1000) * 1.5
        print(((x - 3).relu() * 2).sum().item())
        print(library.statistics["compiled"])
    """
    first = run(program, tmp_path).splitlines()
    files = sorted(p for p in (tmp_path / "home" / "kernels").rglob("*") if p.is_file())
    assert files
    for i, path in enumerate(files):
        data = path.read_bytes()
        torn = [data[: len(data) // 2], b"", b"\x7fELF" + data[4:], data[:-1] + b"\0"]
        path.write_bytes(torn[i % 4])
    second = run(program, tmp_path).splitlines()
    assert second == first


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    assert run("print((torch.ones(5) * 2).sum().item())", tmp_path) == "10.0\n"


def test_concurrent_processes_share_a_cache(tmp_path):
    program = TRAIN + "step = make_step(torch, 4)\nprint([step() for _ in range(3)])"
    environment = {**os.environ, "RUSHLIGHT_JIT": "sync", "RUSHLIGHT_HOME": str(tmp_path / "home")}
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=environment) for _ in range(3)]
    shown = [p.communicate() for p in processes]
    assert all(p.returncode == 0 for p in processes), shown
    assert len({out for out, _ in shown}) == 1


def test_plans_that_never_repeat_are_never_compiled(tmp_path):
    shown = run("""
        for n in range(1, 60):
            ((torch.ones(n) * 2).sum()).item()
        compiler.wait()
        print(compiler.statistics["compiled"])
    """, tmp_path, RUSHLIGHT_JIT="1")
    assert shown == "0\n"


def test_what_repeats_is_compiled_behind_the_program(tmp_path):
    shown = run("""
        step = make_step(torch, 4)
        losses = [step() for _ in range(3)]
        print(compiler.wait())
        step()
        print(compiler.statistics["compiled"] > 0, compiler.statistics["refused"])
    """, tmp_path, RUSHLIGHT_JIT="1")
    assert shown == "True\nTrue 0\n"


def test_every_kind_of_plan_travels_to_the_compiler(tmp_path):
    """Else this process compiles it, which holds up its own Python."""
    shown = run("""
        import sys
        nn, said = torch.nn, []
        compiler._complain = said.append

        def repeat(work):
            for _ in range(3):
                work()
                assert compiler.wait()
        for kind in vars(torch.optim).values():
            if not isinstance(kind, type) or not issubclass(kind, torch.optim.Optimizer) or \\
                    kind.__name__ in ("Optimizer", "LBFGS", "SparseAdam"):
                continue
            net = nn.Linear(7, 5, bias=False)
            optimizer = kind(net.parameters(), lr=0.01)

            def work():
                optimizer.zero_grad()
                net(torch.ones(3, 7)).square().sum().backward()
                optimizer.step()
                net.weight.detach().sum().item()
            repeat(work)
        image = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2),
                              nn.Dropout(0.3), nn.AvgPool2d(2), nn.ConvTranspose2d(8, 4, 3))
        words = nn.Sequential(nn.Embedding(10, 16), nn.LayerNorm(16), nn.GELU(), nn.Softmax(-1))
        layers = [(image, torch.ones(2, 3, 12, 12)), (words, torch.arange(8).reshape(2, 4)),
                  (nn.LSTM(5, 6), torch.ones(4, 2, 5)), (nn.GRU(5, 6), torch.ones(4, 2, 5)),
                  (nn.TransformerEncoderLayer(16, 4, 32), torch.ones(2, 5, 16)),
                  (nn.GroupNorm(2, 4), torch.ones(2, 4, 5))]
        for net, x in layers:
            def work():
                found = net(x)
                found = found[0] if isinstance(found, tuple) else found
                found.square().mean().backward()
                found.detach().sum().item()
            repeat(work)
        print(compiler.statistics["compiled"] > 15, compiler.statistics["refused"], said)
    """, tmp_path, RUSHLIGHT_JIT="1")
    assert shown.split(maxsplit=2) == ["True", "0", "[]\n"]


def test_two_threads_make_the_pool(tmp_path):
    shown = run("""
        import threading, time
        from rushlight.core.base.forks import whole
        holding = threading.Event()

        def compile_something():
            with whole:
                holding.set()
                time.sleep(0.2)
                pool.pool()
        other = threading.Thread(target=compile_something)
        other.start()
        holding.wait()
        made = pool.pool()
        other.join()
        print(made is pool.pool())
    """, tmp_path)
    assert shown == "True\n"


def test_a_program_that_ends_does_not_wait_for_its_compiler(tmp_path):
    shown = run("""
        import atexit, time
        atexit.register(lambda: print(not compiler._thread[0].is_alive(),
                                      compiler.statistics["compiled"]))
        compiler.atexit.unregister(compiler._stop)
        atexit.register(compiler._stop)
        step = make_step(torch, 4)
        for _ in range(3):
            step()
        assert compiler._unfinished[0]
    """, tmp_path, RUSHLIGHT_JIT="1")
    assert shown.split() == ["True", "0"]


def test_bfloat16_products_that_another_process_compiled(tmp_path):
    """Matrix instructions are illegal until the process that runs them has asked for them."""
    program = """
        x = torch.ones(300, 300).bfloat16()
        for _ in range(3):
            print((x @ x).float().max().item(), compiler.wait())
    """
    for _ in range(2):      # compiled by the child, then read from the disk
        assert run(program, tmp_path, RUSHLIGHT_JIT="1") == "300.0 True\n" * 3


def test_many_shapes_keep_memory_bounded(tmp_path):
    shown = run("""
        import resource
        def grow(first, last):
            for n in range(first, last):
                for _ in range(2):
                    ((torch.ones(n) * 2).sum()).item()
        grow(1, 700)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grow(700, 1700)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000)
    """, tmp_path)
    assert shown == "True\n"


def test_deterministic_programs_are_compiled_before_their_first_run(tmp_path):
    program = """
        torch.use_deterministic_algorithms(True)
        step = make_step(torch, 4)
        print([step() for _ in range(12)], compiler.statistics["compiled"] > 0)
        torch.use_deterministic_algorithms(False)
        print(compiler.MODE)
    """
    shown = run(program, tmp_path, RUSHLIGHT_JIT="1")
    assert shown.endswith("True\n1\n")
    assert run(program, tmp_path, RUSHLIGHT_JIT="1") == shown


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """(losses, text) of a few programs on this CPU, with the requests for kernels they made."""
    return run(SEVERAL, tmp_path_factory.mktemp("host"))


SEVERAL = """
step = make_step(torch, 5)
print([round(step(), 4) for _ in range(3)])
x = torch.randn(37, 19, requires_grad=True)
y = (torch.softmax(x, 1) * x.t().contiguous().t()).sigmoid() + (x > 0)
y.to(torch.bfloat16).float().sum().backward()
print(round(x.grad.abs().sum().item(), 3))
print(((torch.arange(20) * 3 - 7).abs() + (torch.arange(20) > 4)).tolist())
"""


def test_avx2_gives_the_same_to_rounding(numbers, tmp_path):
    if not hasattr(os, "uname") or os.uname().machine != "x86_64":
        pytest.skip("AVX2 is a feature of x86-64")
    assert run(SEVERAL, tmp_path, RUSHLIGHT_CPU="avx2") == numbers


def test_every_kernel_reaches_aarch64(tmp_path):
    shown = run(SEVERAL + textwrap.dedent("""
        from rushlight.core.codegen.target import aarch64
        for generator, parameters in list(library._loaded):
            text = library.generate(generator, parameters, aarch64())
            assembly = library.compile_text(text, aarch64(), assembly=True)
            assert "kernel" in assembly and "ret" in assembly, generator
        print(len(library._loaded))
    """), tmp_path).splitlines()
    assert int(shown[-1]) > 10
