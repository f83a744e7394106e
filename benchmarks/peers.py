"""JAX and tinygrad on the rows that they can be asked for: each in a process of its own.

Neither has PyTorch's names, so the work is written once more for each, with their JIT, as their own
documentation does it. A process is bound to as many processors as there are threads. Rows that are
not written here are left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 1.5           # of timed steps
LENET = ((6, 3, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,),
         (10, 84), (10,))


def measure(rows: list[Any], table: dict[str, Any], threads: int) -> None:
    """Add the peers' times to the rows' results, and print them."""
    for peer in ("jax", "tinygrad"):
        if importlib.util.find_spec(peer) is None:
            continue
        for row in rows:
            command = [sys.executable, str(Path(__file__)), peer, row.name, str(threads)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "DEV": "CPU"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode == 3:        # not written for this peer
                continue
            result = table["rows"][row.name]
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no output"])[-1]
                result.setdefault("errors", {})[peer] = last[:300]
                print(f"{row.name:<17}{peer}: {last[:80]}")
                continue
            seconds = json.loads(done.stdout.splitlines()[-1])
            result["seconds"][peer] = seconds
            ours = result["seconds"].get("rushlight")
            ratio = f", {seconds / ours:.2f} times ours" if ours else ""
            print(f"{row.name:<17}{peer} {seconds * 1e3:.3f} ms{ratio}", flush=True)


def jax_step(name: str) -> Callable[[], Any] | None:
    """Return one step of a row in JAX, or None."""
    import jax
    import jax.numpy as jnp

    keys = iter(jax.random.split(jax.random.PRNGKey(0), 32))
    if name in ("lenet4", "lenet128"):
        batch = int(name[5:])
        weights = [0.1 * jax.random.normal(next(keys), shape) for shape in LENET]
        x = jax.random.normal(next(keys), (batch, 3, 32, 32))
        labels = jax.random.randint(next(keys), (batch,), 0, 10)

        def layer(x, w, b):
            y = jax.lax.conv(x, w, (1, 1), "VALID") + b[:, None, None]
            return jax.lax.reduce_window(jax.nn.relu(y), -jnp.inf, jax.lax.max, (1, 1, 2, 2),
                                         (1, 1, 2, 2), "VALID")

        def loss_of(w):
            y = layer(layer(x, w[0], w[1]), w[2], w[3]).reshape(batch, -1)
            y = jax.nn.relu(y @ w[4].T + w[5])
            y = jax.nn.relu(y @ w[6].T + w[7]) @ w[8].T + w[9]
            return -jnp.mean(jax.nn.log_softmax(y)[jnp.arange(batch), labels])

        @jax.jit
        def train(w, m):
            loss, g = jax.value_and_grad(loss_of)(w)
            m = [0.9 * a + b for a, b in zip(m, g)]
            return loss, [a - 0.001 * b for a, b in zip(w, m)], m
        state = [weights, [jnp.zeros_like(w) for w in weights]]

        def step():
            loss, *state[:] = train(*state)
            return float(loss)
        return step
    size = gemm_size(name)
    if size is not None:
        kind = jnp.bfloat16 if name == "bfloat16" else jnp.float32
        a = jax.random.normal(next(keys), (size[0], size[2])).astype(kind)
        b = jax.random.normal(next(keys), (size[2], size[1])).astype(kind)
        product = jax.jit(jnp.matmul)
        return lambda: product(a, b).block_until_ready()
    if name == "gelu":
        x, y = (jax.random.normal(next(keys), (10_000_000,)) for _ in range(2))
        chain = jax.jit(lambda x, y: jax.nn.gelu(x * y + 1, approximate=False).sum())
        return lambda: chain(x, y).block_until_ready()
    return None


def tinygrad_step(name: str) -> Callable[[], Any] | None:
    """Return one step of a row in tinygrad, or None."""
    from tinygrad import Context, Tensor, TinyJit, dtypes, nn

    if name in ("lenet4", "lenet128"):
        batch = int(name[5:])
        weights = [(0.1 * Tensor.randn(*shape)).realize() for shape in LENET]
        x, labels = Tensor.randn(batch, 3, 32, 32).realize(), Tensor.randint(
            batch, low=0, high=10).realize()
        optimizer = nn.optim.SGD(weights, lr=0.001, momentum=0.9)
        w = weights

        @TinyJit
        def train():
            optimizer.zero_grad()
            y = x.conv2d(w[0], w[1]).relu().max_pool2d(2).conv2d(w[2], w[3]).relu().max_pool2d(2)
            y = y.flatten(1).linear(w[4].T, w[5]).relu().linear(w[6].T, w[7]).relu()
            loss = y.linear(w[8].T, w[9]).sparse_categorical_crossentropy(labels)
            loss.backward()
            return loss.realize(*optimizer.schedule_step())

        def step():
            with Context(TRAINING=1):
                return train().item()
        return step
    size = gemm_size(name)
    if size is not None and name != "bfloat16":
        a, b = Tensor.randn(size[0], size[2]).realize(), Tensor.randn(size[2], size[1]).realize()
        product = TinyJit(lambda: (a @ b).realize())
        return synchronized(product)
    if name == "gelu":
        x, y = (Tensor.randn(10_000_000, dtype=dtypes.float).realize() for _ in range(2))
        chain = TinyJit(lambda: (x * y + 1).gelu().sum().realize())
        return lambda: chain().item()
    return None


def synchronized(compute: Callable[[], Any]) -> Callable[[], Any]:
    """`compute`, waiting for tinygrad's device."""
    from tinygrad import Device

    def step():
        compute()
        Device[Device.DEFAULT].synchronize()
    return step


def gemm_size(name: str) -> tuple[int, int, int] | None:
    """(M, N, K) of a row that is a matrix product."""
    if name == "gemv4096":
        return 1, 4096, 4096
    match = re.fullmatch(r"sgemm(\d+)", name)
    size = int(match.group(1)) if match else 1024 if name == "bfloat16" else None
    return None if size is None else (size, size, size)


def main() -> int:
    """One peer, one row, in this process: prints the median seconds a step."""
    peer, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    step = (jax_step if peer == "jax" else tinygrad_step)(name)
    if step is None:
        return 3
    for _ in range(4):
        step()
    times, started = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - started < SECONDS:
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    print(json.dumps(statistics.median(times)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
