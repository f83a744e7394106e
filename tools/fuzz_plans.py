"""A differential fuzzer: random programs whose every plan runs in both tiers, compared.

    python tools/fuzz_plans.py [--minutes 30] [--seed 0] [--stop]

Each program is a random graph of operations on tensors of random shapes, strides and dtypes, with
views, writes in place, reductions, products, layers and gradients. RUSHLIGHT_JIT is set to "sync",
so each plan is compiled; its interpreter form runs on copies of the same leaves, and the live
outputs are compared. Where they are not close, the interpreter runs again with random rounding
errors: an element that these change may differ too, see Note [undecided elements]. Any other
difference prints the program's seed, its plan and the two results; the exit status is 1.
`--program SEED` repeats one.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import random
import sys
import time
from itertools import zip_longest
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
BINARY = "add sub mul div maximum minimum lt ge eq".split()
NARROW = (torch.float32, torch.bfloat16, torch.float16)
WIDE = (torch.float32, torch.float32, torch.float64)
OTHERS = (torch.int64, torch.int32, torch.uint8, torch.bool, torch.int8)
# Steps without rounding; those that copy or move elements are known by their family.
EXACT = frozenset("abs amax argmax clamp eq floor ge gt isnan lt max_pool maximum minimum ne neg "
                  "relu sgn sign where".split())
DECIDING = frozenset("floor sgn sign".split())    # besides those with an integer or bool result
SINGULAR = frozenset("div log reciprocal relu rsqrt sqrt".split())    # not smooth at zero
RUNS = 16           # of the interpreter with random errors
UP, DOWN, ALIKE = RUNS - 2, RUNS - 1, RUNS       # the last three, see `Perturbed`
LARGEST = 2 ** 22   # elements of a broadcast result
MARGIN = 4          # a difference is rounding up to this times the most these moved an element
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


def same_layout(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays have one dtype, one shape and, where it matters, the same strides."""
    return a.dtype == b.dtype and a.shape == b.shape and not (a.size and any(
        s != t and n > 1 for s, t, n in zip(a.strides, b.strides, a.shape)))


def apart(a: np.ndarray, b: np.ndarray, coarsest: int, scale: float, moved: Any = 0.0) -> Any:
    """Which elements are neither equal nor as close as two ways of rounding leave them.

    coarsest: bytes of the narrowest float. scale: of what was summed, which may cancel. moved: how
    far random errors move each element of b; integers and bools may differ by this alone.
    """
    away = distance(a, b)
    near = away <= MARGIN * moved
    if is_floating(a):
        y, finite = np.abs(b.astype(np.complex128)), np.isfinite(b.astype(np.complex128))
        size = max(y[finite].max(initial=0.0), scale)
        step = {8: 1e-11, 4: 5e-5, 2: 4e-2}[coarsest]
        near |= away <= step * (np.where(finite, y, 0.0) + min(size, 1e30)) + 1e-30
        # Overflow of a sum depends on its order.
        near |= np.isinf(away) & (np.isnan(a) == np.isnan(b))
    return ~near


class Perturbed:
    """The interpreter's plan with random rounding errors.

    Note [undecided elements]: a comparison, a cast to bool, floor or argmax of quantities that are
    equal up to rounding is decided by the order in which they were summed, and so is what is
    computed from it. The interpreter alone knows such an element: errors of the size that
    floating-point arithmetic permits change it too. They are put where they arise:

    - a step's result is rounded: a relative error of one or two units in the last place;
    - a step that sums gives the exact sum of operands with small relative errors, whatever its
      order (backward error analysis): the k-th of n summands takes part in up to n - k roundings,
      so its error is a random walk along the axes. Sums within a step, like a row's mean, err
      apart from its other operands: then all elements of the result move alike;
    - leaves are the same bits in both tiers, and a step of `EXACT` rounds nothing: they get no
      error. So a comparison of equal leaves, a tie in their maximum or the sign of a zero that was
      written is decided, and has to agree.

    What a step decides on is moved further, by up to `MARGIN` times the most that errors have
    moved it: at random, but in the last runs all the way up, then all the way down, so that a
    decision in reach is seen either way, and in the very last to zero or to the other operand.
    So are operands of `SINGULAR` steps that may be zero.
    """

    def __init__(self, plan, records):
        self.plan = copy.copy(plan)
        self.plan.steps = [self._step(records.get(step[0]), *step) for step in plan.steps]
        self.chance = np.random.default_rng(0)
        self.clean: dict = {}        # slot of a result -> its value without errors
        self.spread: dict = {}       # and how far errors moved it at most
        self.number = 0              # of the run; 0 is without errors

    def moved(self, leaves, scalars) -> list:
        """How far errors move each element of the outputs, the most of `RUNS` runs."""
        expected = self.plan.run(list(leaves), list(scalars))
        most = [0.0 for _ in expected]
        with np.errstate(all="ignore"):
            for self.number in range(1, RUNS + 1):
                for i, array in enumerate(self.plan.run(list(leaves), list(scalars))):
                    if isinstance(array, np.ndarray):
                        most[i] = np.maximum(most[i], distance(array, expected[i]))
        return most

    def _step(self, record, index, function, inputs, drops, donated, items):
        name, family = (record.op.name, record.op.family) if record else ("", "layout")
        exact = family in ("copy", "layout", "movement") or name in EXACT
        sums = not exact and family != "pointwise"
        decides = name in DECIDING or record is not None and all(
            out.meta.dtype.category < 2 for out in record.outputs if out is not None)
        slots = {number: slot for slot, number in items}

        def run(*operands, **named):
            if self.number and (decides or name in SINGULAR):
                operands = self._unsure(operands, inputs, decides)
            erring = self.number and sums and not decides
            if erring:
                other = function(*[self._erring(x, self._walk) for x in operands], **named)
            result = function(*operands, **named)
            if erring:
                result = self._either(result, other)
            rounded = not exact or narrows(operands, result)
            if type(result) is tuple:
                return tuple([self._result(slots.get(i), x, rounded)
                              for i, x in enumerate(result)])
            return self._result(index, result, rounded)
        return index, run, inputs, drops, donated, items

    def _result(self, slot, x, rounded):
        """A step's result as this run has it."""
        if not is_floating(x):
            return x
        if not self.number:
            self.clean[slot] = x.copy(order="K")
            return x
        if rounded:
            x = self._erring(x, self.chance.standard_normal)
        if slot is not None:
            away = distance(x, self.clean[slot])
            self.spread[slot] = np.maximum(self.spread.get(slot, 0.0), away)
        return x

    def _erring(self, x, errors):
        """A copy in the same order of axes, each element with a relative error."""
        if not is_floating(x):
            return x
        unit = {8: 2.0 ** -53, 4: 2.0 ** -24, 2: 2.0 ** -9}[x.dtype.itemsize]
        made = np.empty_like(x)
        made[...] = x + x * (2 * unit * errors(x.shape))
        return made

    def _either(self, x, other):
        """A step's result with erring operands; in every other run, its elements move alike."""
        if type(x) is tuple:
            return tuple([self._either(*pair) for pair in zip(x, other)])
        if not is_floating(x) or self.number % 2:
            return other
        away = np.abs(other.astype(np.float64) - x)
        made = np.empty_like(x)
        made[...] = np.where(np.isfinite(away), x + away * self.chance.standard_normal(), other)
        return made

    def _walk(self, shape):
        steps = [np.cumsum(self.chance.standard_normal(shape), axis) for axis in range(len(shape))]
        return sum(steps) if steps else 0.0

    def _unsure(self, operands, slots, decides):
        """Operands moved by up to what errors may: of a decision all, else those close to zero."""
        reach = [MARGIN * self.spread.get(slot, 0.0) for slot in slots]
        made = list(operands)
        if self.number == ALIKE and decides and len(made) == 2:
            i = 0 if is_floating(made[0]) else 1
            other = made[1 - i]
            if is_floating(made[i]):
                value = other if isinstance(other, np.ndarray) else made[i].dtype.type(other)
                near = (distance(made[i], value) <= sum(reach)) & (sum(reach) > 0)
                made[i] = np.where(near, value, made[i])
            return made
        for i, (x, most) in enumerate(zip(operands, reach)):
            if is_floating(x) and np.any(most):
                close = np.abs(x) <= most
                if self.number in (UP, DOWN):        # of the first operand
                    moved = x + (most if (self.number == UP) == (i == 0) else -most)
                elif self.number == ALIKE:
                    moved = np.where(close, 0, x)
                else:
                    moved = x + most * self.chance.uniform(-1, 1, x.shape)
                made[i] = np.empty_like(x)
                made[i][...] = moved if decides else np.where(close, moved, x)
        return made


def is_floating(x) -> bool:
    """Whether x is an array of floating-point numbers."""
    return isinstance(x, np.ndarray) and x.dtype.kind not in "biu"


def narrows(operands, result) -> bool:
    """Whether a step goes to a shorter floating-point type, as a cast does."""
    return is_floating(result) and any(
        is_floating(x) and x.dtype.itemsize > result.dtype.itemsize for x in operands)


def distance(a, b) -> Any:
    """|a - b| of each element: 0 only where both are NaN or the same; infinite if one is."""
    with np.errstate(all="ignore"):
        x, y = np.asarray(a).astype(np.complex128), np.asarray(b).astype(np.complex128)
        same = (a == b if a.dtype == b.dtype else x == y) | (np.isnan(x) & np.isnan(y))
        away = np.maximum(np.abs(x - y), 1e-300)      # long integers may differ by less than x, y
        return np.where(same, 0.0, np.where(np.isfinite(x) & np.isfinite(y), away, np.inf))


def checked(run):
    """`NativePlan.run` that also runs the interpreter's plan and compares."""
    def run_both(self, leaves, scalars, seconds=None, values=()):
        copies = [np.array(x, copy=True, order="K") if isinstance(x, np.ndarray) else x
                  for x in leaves]
        expected = self.interpreter.run(list(copies), list(scalars))
        outputs = run(self, leaves, scalars, seconds, values)
        found["plans"] += 1
        graph = self.blueprint.graph
        scale = largest(copies)
        coarsest = min((d.itemsize for d in (b.meta.dtype for b in graph.buffers)
                        if d.is_floating_point), default=8)
        moved: list | None = None
        for number, (a, b) in enumerate(zip(outputs, expected)):
            if not isinstance(a, np.ndarray):
                continue
            if not same_layout(a, b):
                raise Different(describe(self, number, a, b, []))
            if not apart(a, b, coarsest, scale).any():
                continue
            if moved is None:
                records = {record.index: record for record in graph.records}
                moved = Perturbed(self.interpreter, records).moved(copies, scalars)
            wrong = apart(a, b, coarsest, scale, moved[number])
            if wrong.any():
                raise Different(describe(self, number, a, b, np.argwhere(wrong)))
            found["rounded"] += 1
        return outputs
    return run_both


def describe(plan, number, a, b, wrong) -> str:
    """What differs (`wrong`: indices of elements), and the plan it differs in."""
    graph = plan.blueprint.graph
    lines = [f"output {number} ({graph.outputs[number]}): {a.shape} {a.strides} / {b.shape} "
             f"{b.strides}"]
    lines += [f"  at {tuple(map(int, w))}: native {a[tuple(w)]}, interpreter {b[tuple(w)]}"
              for w in wrong[:4]]
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
        return getattr(torch, self.random.choice(UNARY))(self.floating())

    def binary(self):
        x = self.pick()
        name = self.random.choice(BINARY)
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
    """Whether shapes broadcast, and to no more than `LARGEST` elements."""
    pairs = list(zip_longest(reversed(a), reversed(b), fillvalue=1))
    return all(x == y or x == 1 or y == 1 for x, y in pairs) and \
        math.prod(y if x == 1 else x for x, y in pairs) <= LARGEST


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
