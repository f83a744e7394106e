"""Checkpointing: run a part of the forward pass again in backward instead of keeping its values.

The default way (`use_reentrant=False`) replaces what each op saves by a placeholder. When backward
asks for the first one, the part runs again, from the same random state, and fills them all. The
older way makes the part one node, whose backward runs it again and calls `backward` itself.
"""

from __future__ import annotations

import contextlib
import warnings
import weakref

import rushlight as torch
from rushlight.autograd.graph import saved_tensors_hooks

__all__ = ["checkpoint", "checkpoint_sequential", "CheckpointError", "CheckpointFunction",
           "check_backward_validity", "detach_variable", "get_device_states",
           "set_device_states", "noop_context_fn", "set_checkpoint_early_stop",
           "set_checkpoint_debug_enabled", "create_selective_checkpoint_contexts"]

TIP = ("\nTip: To see a more detailed error message, either pass `debug=True` to\n"
       "`torch.utils.checkpoint.checkpoint(...)` or wrap the code block\n"
       "with `with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):` to\n"
       "enable checkpoint‑debug mode globally.\n")
REENTRANT_GRAD = (
    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
    "`inputs` parameter to .backward(). To resolve this error, you can either set "
    "use_reentrant=False, or call .backward() without passing the `inputs` argument.")
_settings = {"early_stop": None, "debug": None}


class CheckpointError(RuntimeError):
    """The second run of a checkpointed part does not match the first."""


class _Stop(Exception):
    """Everything that backward needs has been computed again."""


def noop_context_fn():
    """Two contexts that do nothing: for the forward run and for its repetition."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def _setting(name, value):
    before, _settings[name] = _settings[name], value
    try:
        yield
    finally:
        _settings[name] = before


def set_checkpoint_early_stop(enable):
    """Context manager: whether a repetition may end once all saved tensors are there."""
    return _setting("early_stop", enable)


def set_checkpoint_debug_enabled(enabled):
    """Context manager: override the `debug` argument of `checkpoint` (None: do not)."""
    return _setting("debug", enabled)


def detach_variable(inputs):
    """The same arguments with tensors cut from the graph; RuntimeError unless it is a tuple."""
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: "
                           f"{type(inputs).__name__}")
    found = []
    for value in inputs:
        if isinstance(value, torch.Tensor):
            needs_gradient = value.requires_grad
            value = value.detach()
            value.requires_grad = needs_gradient
        found.append(value)
    return tuple(found)


def check_backward_validity(inputs):
    """Warn where no input needs a gradient, as then nothing would get one."""
    if not any(x.requires_grad for x in inputs if isinstance(x, torch.Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None",
                      stacklevel=2)


def get_device_states(*args):
    """Devices besides the CPU among the arguments, and their random states: none here."""
    return [], []


def set_device_states(devices, states, *, device_type=None):
    """Restore what `get_device_states` returned."""


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """Contexts that keep the results of some ops: not implemented."""
    raise NotImplementedError("torch.utils.checkpoint.create_selective_checkpoint_contexts is not "
                              "implemented")


# -- the repetition --------------------------------------------------------------------------------

@contextlib.contextmanager
def _random_state(state):
    """Draw the numbers drawn from `state` on, and go on as before afterwards; None: no change."""
    if state is None:
        yield
        return
    present = torch.get_rng_state()
    torch.set_rng_state(state)
    try:
        yield
    finally:
        torch.set_rng_state(present)


class _Placeholder:
    """Stands for one saved tensor; `value` is filled by the repetition and taken once."""

    __slots__ = ("value", "__weakref__")

    def __init__(self):
        self.value = None


def _describe(tensor):
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


class _Part:
    """One checkpointed part: how to run it again, and the placeholders of what it saved."""

    def __init__(self, run, describe, early_stop, recompute_context, random_state):
        self.run = run
        self.describe = describe
        self.early_stop = early_stop
        self.recompute_context = recompute_context
        self.random_state = random_state
        self.placeholders: list = []    # weak: an op whose node is gone needs nothing back
        self.described: list = []

    def pack(self, tensor):
        placeholder = _Placeholder()
        self.placeholders.append(weakref.ref(placeholder))
        self.described.append(self.describe(tensor))
        return placeholder

    def unpack(self, placeholder):
        if placeholder.value is None:
            self._repeat()
        value, placeholder.value = placeholder.value, None
        return value

    def _repeat(self):
        expected = len(self.placeholders)
        found = []

        def pack(tensor):
            position = len(found)
            if position >= expected:
                if self.early_stop:
                    return tensor.detach()
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation "
                    "than during the original forward pass.\n" + TIP)
            found.append(self.describe(tensor))
            placeholder = self.placeholders[position]()
            kept = tensor.detach()
            if placeholder is not None:
                placeholder.value = kept
            if self.early_stop and len(found) == expected:
                raise _Stop
            return kept

        with _random_state(self.random_state), self.recompute_context, \
                saved_tensors_hooks(pack, lambda kept: kept), torch.enable_grad():
            try:
                self.run()
            except _Stop:
                pass
        self._compare(found, expected)

    def _compare(self, found, expected):
        if len(found) != expected:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\nNumber of tensors saved during forward: "
                f"{expected}\nNumber of tensors saved during recomputation: {len(found)}.\n{TIP}")
        differing = [
            f"tensor at position {i}:\nsaved metadata: {saved}\nrecomputed metadata: {now}\n"
            for i, (saved, now) in enumerate(zip(self.described, found)) if saved != now]
        if differing:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have "
                f"different metadata than during the forward pass.\n{''.join(differing)}.\n{TIP}")


DETERMINISM_CHECKS = {"default": _describe, "none": lambda tensor: None}


def _checkpoint_saved_tensors(function, args, kwargs, preserve_rng_state, context_fn,
                              determinism_check, early_stop):
    if determinism_check not in DETERMINISM_CHECKS:
        raise ValueError(f"determinism_check should be one of {list(DETERMINISM_CHECKS)}, "
                         f"but got {determinism_check}")
    forward_context, recompute_context = context_fn()
    if _settings["early_stop"] is not None:
        early_stop = _settings["early_stop"]
    if not torch.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    part = _Part(lambda: function(*args, **kwargs), DETERMINISM_CHECKS[determinism_check],
                 early_stop, recompute_context,
                 torch.get_rng_state() if preserve_rng_state else None)
    with saved_tensors_hooks(part.pack, part.unpack), forward_context:
        return function(*args, **kwargs)


# -- the reentrant way -----------------------------------------------------------------------------

class CheckpointFunction(torch.autograd.Function):
    """A part of the network as one node, whose backward runs it again."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        """Run the part without recording it."""
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.random_state = torch.get_rng_state() if preserve_rng_state else None
        # Tensors through save_for_backward, for its checks; the rest as it is.
        ctx.others = [None if isinstance(a, torch.Tensor) else a for a in args]
        ctx.positions = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.positions])
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        """Run the part again, recording it, and send the gradients through."""
        if not torch.autograd._is_checkpoint_valid():
            raise RuntimeError(REENTRANT_GRAD)
        args = list(ctx.others)
        for i, tensor in zip(ctx.positions, ctx.saved_tensors):
            args[i] = tensor
        args = detach_variable(tuple(args))
        with _random_state(ctx.random_state), torch.enable_grad():
            outputs = ctx.run_function(*args)
        if isinstance(outputs, torch.Tensor):
            outputs = (outputs,)
        pairs = [(o, g) for o, g in zip(outputs, grads)
                 if isinstance(o, torch.Tensor) and o.requires_grad]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary")
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[a.grad if isinstance(a, torch.Tensor) else None for a in args])


# -- public ----------------------------------------------------------------------------------------

def checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn,
               determinism_check="default", debug=False, early_stop=True, **kwargs):
    """``function(*args, **kwargs)``, whose inner values are computed again in backward.

    use_reentrant: False is recommended; None warns and means True. preserve_rng_state (a keyword,
    True): random ops draw the same numbers again. context_fn: returns a context for the run and
    one for its repetition. determinism_check: "default" compares shapes and dtypes of what the
    two runs save, "none" does not. early_stop: end the repetition when backward has what it needs.

    Raises CheckpointError (in backward) where the repetition saves other tensors.

    >>> y = checkpoint(block, x, use_reentrant=False)

    Chen et al., 2016 (arXiv:1604.06174).
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an "
            "exception. use_reentrant=False is recommended, but if you need to preserve the "
            "current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.", stacklevel=2)
        use_reentrant = True
    preserve_rng_state = kwargs.pop("preserve_rng_state", True)
    if kwargs and use_reentrant:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if not use_reentrant:
        return _checkpoint_saved_tensors(function, args, kwargs, preserve_rng_state, context_fn,
                                         determinism_check, early_stop)
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    return CheckpointFunction.apply(function, preserve_rng_state, *args)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):  # noqa: A002
    """A sequence of functions in `segments` parts, all but the last of them checkpointed.

    functions: an ``nn.Sequential`` or a list; each takes the result of the one before.

    >>> y = checkpoint_sequential(model, 2, x, use_reentrant=False)
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly. In version 2.9 we will raise an exception if use_reentrant is "
            "not passed. use_reentrant=False is recommended, but if you need to preserve the "
            "current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.", stacklevel=2)
        use_reentrant = True
    preserve_rng_state = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if hasattr(functions, "children"):
        functions = list(functions.children())
    size = len(functions) // segments

    def part(start, stop):
        def run(value):
            for function in functions[start:stop]:
                value = function(value)
            return value
        return run

    for start in range(0, size * (segments - 1), size) if size else ():
        input = checkpoint(part(start, start + size), input,  # noqa: A001
                           use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return part(size * (segments - 1), len(functions))(input)
