"""The `rushlight` program: its commands, with and without the packages of the cli extra."""

import os
import re
import subprocess
import sys

import pytest

from rushlight.cli import machine, main


def run(*arguments, code=None, **environment):
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "rushlight"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip


# A program in which a package of the extra cannot be imported.
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("typer", "rich", "matplotlib", "PIL"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from rushlight.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("command", ["train", "predict", "detect", "--help"])
def test_missing_extra_is_named(command):
    done = run(command, code=WITHOUT)
    assert done.returncode == 1
    assert "pip install 'rushlight[cli]'" in done.stderr and done.stderr.count("\n") == 1


def test_doctor_and_run_need_no_extra(tmp_path):
    assert run("doctor", code=WITHOUT).returncode == 0
    program = tmp_path / "program.py"
    program.write_text("import torch; print(torch.ones(2).sum().item())")
    done = run("run", str(program), code=WITHOUT)
    assert (done.returncode, done.stdout) == (0, "2.0\n"), done.stderr


def test_help_names_every_command():
    pytest.importorskip("typer")
    done = run("--help", COLUMNS="100", NO_COLOR="1")
    assert done.returncode == 0
    for command in ("train", "predict", "detect", "doctor", "run"):
        assert re.search(rf"\b{command}\b", done.stdout)


def test_help_of_train_names_every_option():
    pytest.importorskip("typer")
    done = run("train", "--help", COLUMNS="120", NO_COLOR="1")
    for option in ("data", "model", "epochs", "batch-size", "lr", "optimizer", "scheduler", "seed",
                   "workers", "device", "amp", "out", "resume", "config"):  # fmt: skip
        assert f"--{option}" in done.stdout


def test_unknown_command():
    pytest.importorskip("typer")
    done = run("trian")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "trian" in done.stderr


def test_doctor_names_every_fact(capsys):
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    names = [line.split()[0] for line in report.splitlines()]
    assert names == ["rushlight", "Python", "System", "Packages", "Optional", "CPU", "Features",
                     "Cores", "Threads", "Caches", "Memory", "BLAS", "Devices", "CUDA",
                     "cuDNN"]  # fmt: skip
    facts = dict(line.split(None, 1) for line in report.splitlines())
    assert sys.version.split()[0] in facts["Python"]
    assert "platform" in facts["CUDA"] and "library" in facts["cuDNN"]
    for name in ("CUDA", "cuDNN"):
        assert ("not found" in facts[name]) != (": found" in facts[name])
    assert main(["doctor", "surplus"]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/cpuinfo")
def test_features_follow_the_processor(monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {"flags": "fpu sse4_2 avx2 avx512f mmx"})
    assert machine.cpu_features() == ["SSE4.2", "AVX2", "AVX-512F"]
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {"Features": "fp asimd sve asimddp"})
    assert machine.cpu_features() == ["NEON", "DOTPROD", "SVE"]


@pytest.mark.parametrize(
    ("text", "shown"), [("32K", "32 KiB"), ("2048K", "2 MiB"), ("1280K", "1.25 MiB"), ("?", "?")]
)
def test_cache_sizes(text, shown):
    assert machine._size(text) == shown


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_live_progress_on_a_terminal(tmp_path):
    pytest.importorskip("rich")
    import pty

    from tests.train.helpers import idx_folder

    data = idx_folder(tmp_path / "data", train=240)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rushlight", "train", "--data", str(data), "--epochs", "2",
         "--batch-size", "4", "--out", str(tmp_path / "run")],
        stdout=follower, stderr=follower, env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            block = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    assert process.wait(timeout=120) == 0
    text = shown.decode(errors="replace")
    assert "\x1b[" in text, "drawn in place"
    for word in ("epoch 1/2", "epoch 2/2", "loss", "accuracy", "images/s", "ETA"):
        assert word in text
