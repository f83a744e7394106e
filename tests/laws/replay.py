"""Replay recorded PyTorch results against a module with PyTorch's interface, and compare.

`replay(module, record)` runs every sample of one op and returns an `Outcome`: for each aspect
(values, gradients, output type, strides, aliasing, requires_grad, error type, error text) how many
samples agree, and the first message where one does not. An op is covered when values (with shapes
and dtypes) and gradients agree in every sample.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.laws.callables import callable_for, determined_part, dotted
from tests.laws.vectors import Array, Named, Outline, decode, leaves

# Relative and absolute tolerance per dtype: the defaults of PyTorch's own assert_close, with the
# absolute one of float32 and below raised to what its op tests use. Where the recording measured
# its own rounding noise (float32 against float64), eight times that noise is allowed instead.
TOLERANCES = {
    "float16": (1e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-2),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-3),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
NOISE_FACTOR = 8

# The recording sets this seed before each call of a random op.
RANDOM_SEED = 42

# Whose values are whatever the memory held.
UNINITIALISED = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty"}
UNINITIALISED |= {"new_empty_strided"}

# A name that says so whatever it is given does not exist yet.
NOT_IMPLEMENTED = ": NotImplementedError: "

# Errors about memory shared between arguments: the recording keeps values, not sharing.
NOT_RECORDED = ("single memory location", "storage that is not resizable")

REQUIRED = ("values", "gradients")
ASPECTS = (*REQUIRED, "type", "strides", "aliasing", "requires_grad", "error type", "error text")


class TooSlow(BaseException):
    """One call took longer than the limit (a BaseException: no op may swallow it)."""


@contextlib.contextmanager
def time_limit(seconds: float):
    """Raise TooSlow in the block after `seconds`, where the platform can (main thread, POSIX)."""
    usable = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if not usable:
        yield
        return

    def stop(number, frame):
        raise TooSlow(f"longer than {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@dataclass
class Outcome:
    """What replaying one record gave."""

    name: str
    variant: str = ""
    state: str = "run"  # run, missing (no such name, or it only refuses), not public
    samples: int = 0
    random: bool = False
    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ASPECTS, 0))
    agreed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ASPECTS, 0))
    messages: dict[str, list[str]] = field(default_factory=lambda: {a: [] for a in ASPECTS})

    @property
    def full_name(self) -> str:
        """The op's name with its variant."""
        return f"{self.name}.{self.variant}" if self.variant else self.name

    @property
    def covered(self) -> bool:
        """Whether the op exists and every sample's values and gradients agree."""
        return (
            self.state == "run"
            and self.samples > 0
            and all(self.agreed[aspect] == self.checked[aspect] for aspect in REQUIRED)
        )

    @property
    def first_message(self) -> str:
        """The first disagreement in values or gradients, or an empty string."""
        for aspect in REQUIRED:
            if self.messages[aspect]:
                return f"{aspect}: {self.messages[aspect][0]}"
        return ""

    def note(self, aspect: str, place: str, message: str | None) -> None:
        """Count one check of `aspect`; `message` is None where it agrees."""
        self.checked[aspect] += 1
        if message is None:
            self.agreed[aspect] += 1
        else:
            self.messages[aspect].append(f"{place}: {message}")


class Builder:
    """Makes the module's tensors from recorded leaves, remembering them in order."""

    def __init__(self, module: Any):
        self.module = module
        self.tensors: list[Any] = []

    def tensor(self, leaf: Array) -> Any:
        """Return a fresh tensor with the leaf's values, dtype, strides and requires_grad."""
        module = self.module
        if leaf.dtype == "bfloat16":
            made = module.tensor(leaf.comparable()).to(module.bfloat16)
        elif leaf.dtype == "complex32":
            made = module.view_as_complex(module.tensor(leaf.values))
        else:
            made = module.tensor(leaf.values)
        if leaf.strides is not None and all(stride > 0 for stride in leaf.strides):
            laid_out = module.empty_strided(leaf.shape, leaf.strides, dtype=made.dtype)
            made = laid_out.copy_(made)
        return made.requires_grad_(True) if leaf.requires_grad else made

    def build(self, value: Any) -> Any:
        """Return `value` with every leaf replaced by the module's own object."""
        if isinstance(value, Array):
            made = self.tensor(value)
            self.tensors.append(made)
            return made
        if isinstance(value, Named):
            if value.kind == "device":
                return self.module.device(value.value)
            return dotted(self.module, value.value.removeprefix("torch."))
        if isinstance(value, list):
            return [self.build(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.build(item) for item in value)
        if isinstance(value, dict):
            return {key: self.build(item) for key, item in value.items()}
        return value


def is_tensor(value: Any) -> bool:
    """Whether `value` looks like a tensor of the module under test."""
    return hasattr(value, "requires_grad") and hasattr(value, "stride")


def to_numpy(module: Any, tensor: Any) -> np.ndarray:
    """Return the tensor's values in a dtype NumPy knows."""
    tensor = tensor.detach()
    name = str(tensor.dtype).rpartition(".")[2]
    if name == "bfloat16":
        tensor = tensor.to(module.float32)
    elif name == "complex32":
        tensor = tensor.to(module.complex64)
    return np.array(tensor.numpy(force=True))


def outlines(expected: Any) -> Any:
    """Keep dtype and shape of recorded tensors and forget their values."""
    if isinstance(expected, Array):
        return Outline(expected.dtype, expected.shape)
    if isinstance(expected, (list, tuple)):
        return [outlines(item) for item in expected]
    return expected


def compare_leaf(module: Any, got: Any, expected: Any, noise: float | None) -> str | None:
    """Return what differs between one result and its recording, or None."""
    if isinstance(expected, (Array, Outline)):
        if not is_tensor(got):
            return f"a tensor was expected, got {type(got).__name__}"
        dtype = str(got.dtype).rpartition(".")[2]
        if tuple(got.shape) != expected.shape:
            return f"shape {tuple(got.shape)}, expected {expected.shape}"
        if dtype != expected.dtype:
            return f"dtype {dtype}, expected {expected.dtype}"
        if isinstance(expected, Outline):
            return None
        return compare_values(to_numpy(module, got), expected, noise)
    if isinstance(expected, Named):
        if expected.kind in ("dtype", "layout", "memory_format", "device"):
            text = str(got).rpartition(".")[2]
            return None if text == expected.value else f"{got!r}, expected {expected.value}"
        return None
    if isinstance(expected, float) and not isinstance(got, bool) and isinstance(got, float):
        close = np.isclose(got, expected, rtol=1e-5, atol=1e-5, equal_nan=True)
        return None if close else f"{got!r}, expected {expected!r}"
    if type(got) is type(expected) and got == expected:
        return None
    return f"{got!r}, expected {expected!r}"


def rounding(values: np.ndarray) -> float:
    """Return one unit of rounding of the largest finite value: the noise where none is recorded."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.finfo(values.dtype).eps * finite.max()) if finite.size else 0.0


def compare_values(got: np.ndarray, expected: Array, noise: float | None) -> str | None:
    """Return how far the values are from the recorded ones where that is too far, or None."""
    wanted = expected.comparable()
    if expected.dtype not in TOLERANCES:
        if np.array_equal(got, wanted):
            return None
        return f"{np.count_nonzero(got != wanted)} of {wanted.size} values differ"
    relative, absolute = TOLERANCES[expected.dtype]
    if noise is None:
        noise = rounding(wanted)
    absolute = max(absolute, NOISE_FACTOR * noise)
    with np.errstate(all="ignore"):
        close = np.isclose(got, wanted, rtol=relative, atol=absolute, equal_nan=True)
        if close.all():
            return None
        where = np.unravel_index(np.argmin(close), close.shape)
        count = np.count_nonzero(~close)
    return f"{count} of {wanted.size} values differ, first {got[where]!r} for {wanted[where]!r}"


def compare(module: Any, got: Any, expected: Any, noise: float | None) -> str | None:
    """Compare nested results leaf by leaf; return the first difference or None."""
    got_leaves, expected_leaves = leaves(got), leaves(expected)
    if len(got_leaves) != len(expected_leaves):
        return f"{len(got_leaves)} results, expected {len(expected_leaves)}"
    for one, other in zip(got_leaves, expected_leaves):
        message = compare_leaf(module, one, other, noise)
        if message is not None:
            return message
    return None


def storage_of(tensor: Any) -> Any:
    """Return the address of the tensor's storage, None when there is none to speak of."""
    address = tensor.untyped_storage().data_ptr()
    return address or None


def replay_sample(module: Any, call: Any, record: dict, sample: dict, outcome: Outcome) -> None:
    """Run one sample and note how each aspect compares."""
    place = f"sample {sample['i']}"
    builder = Builder(module)
    noted: set[str] = set()

    def note(aspect, message):
        noted.add(aspect)
        outcome.note(aspect, place, message)

    try:
        arguments = builder.build(decode(sample["input"]))
        args = builder.build(decode(sample["args"]))
        kwargs = builder.build(decode(sample["kwargs"]))
        if record["rng"]:
            module.manual_seed(RANDOM_SEED)
        out = call(arguments, *args, **kwargs)
        part = out
        if sample["gauge"]:
            part = determined_part(record["name"], sample["proc_src"], out)
            noise = max(sample.get("noise_out") or 0, 1e-5)
            note("values", compare(module, part, decode(sample["proc_out"]), noise))
        else:
            expected = decode(sample["out"])
            if record["name"] in UNINITIALISED:
                expected = outlines(expected)
            note("values", compare(module, out, expected, sample.get("noise_out")))
    except Exception as error:
        message = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        if "values" not in noted:
            note("values", message)
        if "grads" in sample:
            note("gradients", message)
        return
    if "grads" in sample:
        try:
            note("gradients", compare_gradients(module, builder, part, sample))
        except Exception as error:
            note("gradients", f"{type(error).__name__}: {error}".splitlines()[0][:300])
    for aspect, check in (("type", check_type), ("strides", check_strides)):
        try:
            note(aspect, check(out, sample))
        except Exception as error:
            note(aspect, f"{type(error).__name__}: {error}"[:200])
    try:
        note("aliasing", check_aliasing(builder, out, sample))
        note("requires_grad", check_requires_grad(out, sample))
    except Exception as error:
        note("aliasing", f"{type(error).__name__}: {error}"[:200])


def compare_gradients(module: Any, builder: Builder, out: Any, sample: dict) -> str | None:
    """Differentiate `out` with the recorded cotangents; return what differs or None."""
    inputs = [tensor for tensor in builder.tensors if tensor.requires_grad]
    outputs = [
        leaf
        for leaf in leaves(out)
        if is_tensor(leaf)
        and leaf.requires_grad
        and (leaf.is_floating_point() or leaf.is_complex())
    ]
    cotangents = [builder.tensor(leaf).detach() for leaf in decode(sample["cot"])]
    if len(outputs) != len(cotangents):
        return f"{len(outputs)} differentiable results, expected {len(cotangents)}"
    gradients = module.autograd.grad(outputs, inputs, grad_outputs=cotangents, allow_unused=True)
    noise = max(sample.get("noise_grad") or 0, 1e-5)
    return compare(module, list(gradients), [decode(leaf) for leaf in sample["grads"]], noise)


def check_type(out: Any, sample: dict) -> str | None:
    """Compare the name of the result's Python type."""
    got = type(out).__name__
    return None if got == sample["out_type"] else f"{got}, expected {sample['out_type']}"


def check_strides(out: Any, sample: dict) -> str | None:
    """Compare the strides of every tensor in the result that has more than one element."""
    for got, expected in zip(leaves(out), leaves(decode(sample["out"]))):
        if not isinstance(expected, Array) or expected.values.size < 2:
            continue
        if expected.strides is None:
            if not got.is_contiguous():
                return f"strides {tuple(got.stride())}, expected a contiguous result"
        elif tuple(got.stride()) != tuple(expected.strides):
            return f"strides {tuple(got.stride())}, expected {tuple(expected.strides)}"
    return None


def check_aliasing(builder: Builder, out: Any, sample: dict) -> str | None:
    """Compare which input, if any, each result shares its storage with."""
    sources = [storage_of(tensor) for tensor in builder.tensors]
    results = [leaf for leaf in leaves(out) if is_tensor(leaf)]
    for position, (tensor, expected) in enumerate(zip(results, sample["alias"])):
        address = storage_of(tensor)
        got = sources.index(address) if address is not None and address in sources else None
        if got != expected:
            return f"result {position} shares storage with input {got}, expected {expected}"
    return None


def check_requires_grad(out: Any, sample: dict) -> str | None:
    """Compare requires_grad of every tensor in the result."""
    got = [bool(leaf.requires_grad) for leaf in leaves(out) if is_tensor(leaf)]
    return None if got == sample["out_rg"] else f"{got}, expected {sample['out_rg']}"


def replay_error(module: Any, call: Any, sample: dict, place: str, outcome: Outcome) -> None:
    """Run one call that must fail, and compare the exception's type and the start of its text."""
    if sample["actual"] is None:
        return
    expected_type, expected_text = sample["actual"]
    if any(phrase in expected_text for phrase in NOT_RECORDED):
        return
    builder = Builder(module)
    try:
        arguments = builder.build(decode(sample["input"]))
        args = builder.build(decode(sample["args"]))
        kwargs = builder.build(decode(sample["kwargs"]))
        call(arguments, *args, **kwargs)
    except Exception as error:
        names = {base.__name__ for base in type(error).__mro__}
        got = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        right_type = expected_type in names
        message = None if right_type else f"{got}; expected {expected_type}"
        outcome.note("error type", place, message)
        right_text = right_type and bool(
            re.search(sample["regex"], str(error))
            or str(error).startswith(expected_text.splitlines()[0])
        )
        first_line = expected_text.splitlines()[0][:200] if expected_text else ""
        outcome.note("error text", place, None if right_text else f"{got}; expected {first_line}")
        return
    message = f"nothing was raised; expected {expected_type}: {expected_text[:150]}"
    outcome.note("error type", place, message)
    outcome.note("error text", place, message)


def replay(module: Any, record: dict, seconds_per_sample: float = 20.0) -> Outcome:
    """Replay every sample and every failing call of one record."""
    outcome = Outcome(record["name"], record["variant"])
    outcome.random = record["rng"]
    try:
        call = callable_for(module, record)
    except AttributeError:
        outcome.state = "missing"
        return outcome
    except LookupError:
        outcome.state = "not public"
        return outcome
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in record["samples"]:
            outcome.samples += 1
            try:
                with time_limit(seconds_per_sample):
                    replay_sample(module, call, record, sample, outcome)
            except TooSlow as error:
                outcome.note("values", f"sample {sample['i']}", str(error))
        refused = [text for text in outcome.messages["values"] if NOT_IMPLEMENTED in text]
        if refused and len(refused) == outcome.samples:
            outcome.state = "missing"
            return outcome
        for number, sample in enumerate(record["errors"]):
            try:
                with time_limit(seconds_per_sample):
                    replay_error(module, call, sample, f"error {number}", outcome)
            except TooSlow as error:
                outcome.note("error type", f"error {number}", str(error))
    return outcome
