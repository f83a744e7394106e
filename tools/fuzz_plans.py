"""A differential fuzzer: random programs whose every plan runs in both tiers, compared.

    python tools/fuzz_plans.py [--minutes 30] [--seed 0] [--stop]

Each program is a random graph of operations on tensors of random shapes, strides and dtypes, with
views, writes in place, reductions, products, layers and gradients. RUSHLIGHT_JIT is set to "sync",
so each plan is compiled; its interpreter form runs on copies of the same leaves, and the live
outputs are compared. A difference prints the program's seed, its plan and the two results; the
exit status is 1. `--program SEED` repeats one.
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

os.environ["RUSHLIGHT_JIT"] = "sync"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402

import rushlight as torch  # noqa: E402
import rushlight.nn.functional as F  # noqa: E402
from rushlight.core.runtime import compiler, native  # noqa: E402

UNARY = ("relu sigmoid tanh exp neg abs square floor sign isnan rsqrt sqrt log sin cos erf "
         "reciprocal").split()
STEPS = "floor sign isnan lt ge eq".split()      # not continuous
BINARY = "add sub mul div maximum minimum lt ge eq".split()
NARROW = (torch.float32, torch.bfloat16, torch.float16)
WIDE = (torch.float32, torch.float32, torch.float64)
OTHERS = (torch.int64, torch.int32, torch.uint8, torch.bool, torch.int8)
found = {"plans": 0, "rounded": 0, "programs": 0}


class Different(BaseException):
    """The two tiers disagree (not an Exception, so that no program swallows it)."""


def largest(arrays) -> float:
    """The greatest finite magnitude among floating-point arrays."""
    found = 0.0
    for array in arrays:
        if isinstance(array, np.ndarray) and array.size and array.dtype.kind not in "biu":
            sizes = np.abs(array.astype(np.float64))
            found = max(found, sizes[np.isfinite(sizes)].max(initial=0.0))
    return found


def close(a: np.ndarray, b: np.ndarray, coarsest: int, scale: float, moved: Any = 0.0) -> bool:
    """Equal, or as close as sums in another order are.

    coarsest: bytes of the narrowest float. scale: of what was summed, which may cancel. moved: by
    how much one rounding of each step changes b; an order of sums has many.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.size and any(s != t and n > 1 for s, t, n in zip(a.strides, b.strides, a.shape)):
        return False
    if a.dtype.kind in "biu":
        return bool((a == b).all())
    with np.errstate(all="ignore"):
        x, y = a.astype(np.complex128), b.astype(np.complex128)
        finite = np.isfinite(y) & np.isfinite(x)
        size = max(np.abs(y[finite]).max() if finite.any() else 0.0, scale)
        step = {8: 1e-11, 4: 5e-5, 2: 4e-2}[coarsest]
        near = np.abs(x - y) <= step * (np.abs(y) + min(size, 1e30)) + 32 * moved + 1e-30
        # Overflow of a sum depends on its order.
        edge = ~finite & (np.isnan(x) == np.isnan(y))
        return bool((near | edge | ((x == y) | (np.isnan(x) & np.isnan(y)))).all())


def rounding(plan, leaves, scalars, expected, coarsest: int) -> list:
    """How far each output moves where every step's result moves by a rounding; the most of 16.

    Of a sum that cancels, or of the reciprocal of one, two ways of rounding leave nothing alike.
    """
    chance = np.random.default_rng(0)
    unit = {8: 2.0 ** -53, 4: 2.0 ** -24, 2: 2.0 ** -9}[coarsest]

    def shaken(x):
        if type(x) is tuple:
            return tuple(map(shaken, x))
        if not isinstance(x, np.ndarray) or x.dtype.kind in "biu":
            return x
        return np.asarray(x + x * chance.choice([-2 * unit, 2 * unit], x.shape), x.dtype)

    def shaking(function):
        return lambda *operands, **named: shaken(function(*operands, **named))
    other = copy.copy(plan)
    other.steps = [(index, shaking(function), *rest) for index, function, *rest in plan.steps]
    moved = [np.zeros(np.shape(e)) for e in expected]
    for _ in range(16):
        for i, found in enumerate(other.run([shaken(x) for x in leaves], list(scalars))):
            if isinstance(found, np.ndarray):
                with np.errstate(all="ignore"):
                    away = np.abs(found.astype(np.complex128) - expected[i].astype(np.complex128))
                moved[i] = np.fmax(moved[i], away)
    return moved


def checked(run):
    """`NativePlan.run` that also runs the interpreter's plan and compares."""
    def run_both(self, leaves, scalars, seconds=None, values=()):
        copies = [np.array(x, copy=True, order="K") if isinstance(x, np.ndarray) else x
                  for x in leaves]
        expected = self.interpreter.run(list(copies), list(scalars))
        outputs = run(self, leaves, scalars, seconds, values)
        found["plans"] += 1
        metas = [b.meta.dtype for b in self.blueprint.graph.buffers]
        scale = largest(copies)
        coarsest = min((d.itemsize for d in metas if d.is_floating_point), default=8)
        for number, (a, b) in enumerate(zip(outputs, expected)):
            if isinstance(a, np.ndarray) and not close(a, b, coarsest, scale):
                moved = rounding(self.interpreter, copies, scalars, expected, coarsest)
                if not close(a, b, coarsest, scale, moved[number]):
                    raise Different(describe(self, number, a, b))
                found["rounded"] += 1
        return outputs
    return run_both


def describe(plan, number, a, b) -> str:
    """What differs, and the plan it differs in."""
    graph = plan.blueprint.graph
    lines = [f"output {number} ({graph.outputs[number]}): {a.shape} {a.strides} / {b.shape} "
             f"{b.strides}"]
    if a.shape == b.shape:
        wrong = np.argwhere(~((a == b) | ((a != a) & (b != b))))[:4]
        lines += [f"  at {tuple(map(int, w))}: native {a[tuple(w)]}, interpreter {b[tuple(w)]}"
                  for w in wrong]
    lines += [f"  {r.index} {r.op.name}{r.params if len(str(r.params)) < 90 else ''} "
              f"{[tuple(i) if i is not None else None for i in r.inputs]} -> {r.outputs}"
              for r in graph.records]
    lines += [f"  stage {n}: {s.wanted}" for n, s in zip(plan.names, plan.blueprint.stages)]
    lines.append(f"  places {plan.blueprint.places}")
    return "\n".join(lines)


class Program:
    """One random program: a pool of tensors that operations draw from."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        # A comparison turns a difference of rounding into 0 or 1: 16-bit programs make none.
        self.narrow = self.random.random() < 0.3
        torch.manual_seed(seed)
        self.pool: list[Any] = [self.leaf() for _ in range(self.random.randint(2, 4))]

    def shape(self) -> list[int]:
        rank = self.random.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])
        sizes = [0, 1, 1, 2, 3, 4, 5, 7, 8, 16, 17, 33] if self.random.random() < 0.1 else \
            [1, 2, 3, 4, 5, 7, 8, 16, 17, 33]
        if rank <= 1 and self.random.random() < 0.3:
            return [self.random.choice([64, 100, 257, 1000, 70000])]
        return [self.random.choice(sizes) for _ in range(rank)]

    def leaf(self):
        dtype = self.random.choice((NARROW if self.narrow else WIDE)
                                   if self.random.random() < 0.8 else OTHERS)
        x = torch.randn(self.shape())
        if dtype is torch.bool:
            return x > 0
        if dtype.is_floating_point:
            return x.to(dtype)
        return (x * 5).abs().to(dtype)

    def pick(self):
        return self.random.choice(self.pool[-6:])

    def like(self, x):
        """A tensor that broadcasts with `x`."""
        choices = [t for t in self.pool[-8:] if broadcasts(t.shape, x.shape)]
        if choices and self.random.random() < 0.7:
            return self.random.choice(choices)
        shape = [1 if self.random.random() < 0.3 else n for n in x.shape]
        return torch.randn(shape[self.random.randint(0, len(shape)):] if shape else [])

    def floating(self):
        x = self.pick()
        return x if x.is_floating_point() else x.to(torch.float32)

    def step(self) -> None:
        kind = self.random.choice(("unary", "unary", "binary", "binary", "binary", "view", "view",
                                   "reduce", "write", "write", "product", "row", "cast", "join",
                                   "number", "where", "gradient", "layer", "look"))
        made = getattr(self, kind)()
        if made is not None and made.numel() <= 300_000:
            self.pool.append(made)
        if len(self.pool) > 12 and self.random.random() < 0.7:
            self.pool.pop(self.random.randrange(len(self.pool)))

    def unary(self):
        names = [n for n in UNARY if not (self.narrow and n in STEPS)]
        return getattr(torch, self.random.choice(names))(self.floating())

    def binary(self):
        x = self.pick()
        name = self.random.choice([n for n in BINARY if not (self.narrow and n in STEPS)])
        y = self.like(x)
        if x.dtype is torch.bool and name in ("sub", "div", "maximum", "minimum"):
            x = x.float()
        if y.dtype is torch.bool and name in ("sub", "div", "maximum", "minimum"):
            y = y.float()
        return getattr(torch, name)(x, y)

    def number(self):
        x = self.floating()
        n = self.random.choice([2, 0.5, -1.25, 3])
        return self.random.choice([lambda: x * n, lambda: n - x, lambda: x + n, lambda: x / n,
                                   lambda: x.clamp(-1, n), lambda: torch.add(x, x, alpha=n)])()

    def view(self):
        x = self.pick()
        if x.dim() == 0:
            return x.expand(self.random.randint(1, 4), 3)
        d = self.random.randrange(x.dim())
        way = self.random.randrange(7)
        if way == 0:
            return x.transpose(d, self.random.randrange(x.dim()))
        if way == 1 and x.shape[d]:
            start = self.random.randrange(x.shape[d])
            return x.narrow(d, start, self.random.randint(1, x.shape[d] - start))
        if way == 2 and x.shape[d]:
            return x.select(d, self.random.randrange(x.shape[d]))
        if way == 3:
            return x.reshape(-1)
        if way == 4:
            return x.unsqueeze(d)
        if way == 5:
            return x[(slice(None),) * d + (slice(None, None, 2),)]
        axes = list(range(x.dim()))
        self.random.shuffle(axes)
        return x.permute(axes)

    def reduce(self):
        x = self.floating()
        name = self.random.choice(["sum", "mean", "amax", "sum", "var", "logsumexp", "argmax"])
        if x.numel() == 0:
            return x.sum()
        if name == "argmax" and self.narrow:
            name = "sum"
        if name == "argmax":
            return x.argmax() if x.dim() == 0 else x.argmax(self.random.randrange(x.dim()))
        if x.dim() == 0:
            return x.sum()
        dims = self.random.sample(range(x.dim()), self.random.randint(1, x.dim()))
        keep = self.random.random() < 0.5
        if name == "logsumexp":
            dims = dims[:1]
        return getattr(x, name)(dims, keepdim=keep)

    def write(self):
        x = self.pick()
        if not x.dtype.is_floating_point or x.requires_grad or x.numel() == 0 or overlaps(x):
            return None
        way = self.random.randrange(5)
        if way == 0:
            x.mul_(1.5)
        elif way == 1 and x.dim():
            x[self.random.randrange(x.shape[0])] = self.random.random()
        elif way == 2 and x.dim():
            x[..., ::2].add_(1)
        elif way == 3:
            x.copy_(torch.randn(x.shape))
        else:
            x.add_(self.floating().mean().to(x.dtype))
        return None

    def product(self):
        x = self.floating()
        if x.dim() < 1 or x.dim() > 3 or x.numel() == 0:
            return None
        w = torch.randn(x.shape[-1], self.random.choice([1, 3, 8, 17])).to(x.dtype)
        return x @ w

    def row(self):
        x = self.floating()
        if x.dim() == 0 or x.numel() == 0:
            return None
        name = self.random.choice(["softmax", "log_softmax", "layer_norm", "cumsum", "flip"])
        d = self.random.randrange(x.dim())
        if name == "layer_norm":
            return F.layer_norm(x.float(), x.shape[-1:])
        if name == "flip":
            return x.flip(d)
        return getattr(torch, name)(x, d)

    def cast(self):
        x = self.pick()
        if self.narrow and x.is_floating_point():
            return x.to(self.random.choice(NARROW))
        to = self.random.choice([*WIDE, torch.int64, torch.bool])
        if not to.is_floating_point and to is not torch.bool and x.dtype.is_floating_point:
            x = torch.nan_to_num(x.float(), 0.0, 1.0, -1.0).clamp(-1000, 1000)
        return x.to(to)

    def join(self):
        x = self.pick()
        if x.dim() == 0:
            return torch.stack([x, x])
        d = self.random.randrange(x.dim())
        return torch.cat([x, x * 1 if x.dtype is not torch.bool else x], d)

    def where(self):
        x = self.floating()
        if self.narrow:
            return None
        return torch.where(x > 0, x, self.like(x).to(x.dtype))

    def layer(self):
        x = self.floating().float()
        if x.dim() != 3 or 0 in x.shape or x.shape[-1] < 3:
            return None
        w = torch.randn(4, x.shape[1], 3)
        return F.max_pool1d(F.relu(F.conv1d(x, w, padding=1)), 2)

    def gradient(self):
        x = self.floating().detach().float().clone().requires_grad_(True)
        w = torch.randn(x.shape, requires_grad=True)
        y = (torch.tanh(x * w) * torch.sigmoid(x)).sum() + (x + w).abs().mean()
        y.backward()
        return x.grad + w.grad

    def look(self):
        self.pick().sum().item()
        return None


def overlaps(x) -> bool:
    return any(s == 0 and n > 1 for s, n in zip(x.stride(), x.shape))


def broadcasts(a, b) -> bool:
    return all(x == y or x == 1 or y == 1 for x, y in zip(reversed(a), reversed(b)))


def run_program(seed: int) -> None:
    """One program, to the end; Different where the tiers disagree."""
    program = Program(seed)
    for _ in range(program.random.randint(5, 40)):
        try:
            program.step()
        except (RuntimeError, IndexError, TypeError, NotImplementedError):
            pass        # the program asked for what PyTorch refuses too
    for tensor in program.pool:
        tensor.tolist() if tensor.numel() < 100 else tensor.sum().item()
    found["programs"] += 1


def main() -> int:
    """Fuzz for some minutes; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", type=int)
    parser.add_argument("--stop", action="store_true", help="stop at the first difference")
    options = parser.parse_args()
    native.NativePlan.run = checked(native.NativePlan.run)
    if options.program is not None:
        run_program(options.program)
        return 0
    end = time.monotonic() + 60 * options.minutes
    seed, wrong = options.seed, 0
    while time.monotonic() < end:
        try:
            run_program(seed)
        except (Different, Exception) as error:
            wrong += 1
            print(f"program {seed}: {type(error).__name__}: {error}", flush=True)
            if options.stop or wrong >= 20:
                break
        seed += 1
    print(f"{found['programs']} programs, {found['plans']} plans compared "
          f"({found['rounded']} with outputs that rounding decides), "
          f"{compiler.statistics['refused']} refused, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
