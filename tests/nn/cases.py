"""Small programs over `torch.nn`, run by PyTorch once to record and by rushlight to compare.

A case is a function of the module `torch`, registered with `@case`. It returns what it wants
compared: tensors (close, same dtype and shape), anything else by its text. Use `outcome(function)`
for a call that may raise: its text is then "ErrorType: message". Cases live in cases_*.py;
tools/record_nn_cases.py records them.
"""

from __future__ import annotations

import warnings

CASES: dict = {}


def case(function):
    """Register a case under its name."""
    if function.__name__ in CASES:
        raise ValueError(f"two cases are named {function.__name__!r}")
    CASES[function.__name__] = function
    return function


def outcome(function):
    """Return the call's result, or the type and text of what it raised."""
    try:
        return function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def warned(function):
    """Return (result or error, categories and texts of the warnings)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = outcome(function)
    return result, [f"{w.category.__name__}: {w.message}" for w in caught]


def with_gradients(torch, layer, *inputs):
    """Run a layer, and return outputs and the gradients of a fixed weighting of them."""
    leaves = [x for x in inputs if isinstance(x, torch.Tensor) and x.is_floating_point()]
    for leaf in leaves:
        leaf.requires_grad_(True)
    output = layer(*inputs)
    first = output if isinstance(output, torch.Tensor) else output[0]
    weights = torch.arange(1, first.numel() + 1, dtype=first.dtype).reshape(first.shape)
    parameters = list(layer.parameters()) if isinstance(layer, torch.nn.Module) else []
    gradients = torch.autograd.grad(
        (first * weights / 10).sum(), leaves + parameters, allow_unused=True
    )
    return [output, gradients]


def run(torch, name):
    """Run one case on `torch`; return (tensors, texts), flattened in order."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = CASES[name](torch)
    tensors, texts = [], []

    def visit(value):
        if isinstance(value, torch.Tensor):
            tensors.append(value)
            texts.append("<tensor>")
        elif isinstance(value, dict):
            for key, item in value.items():
                texts.append(f"key {key}")
                visit(item)
        elif isinstance(value, (list, tuple)):
            texts.append(f"{len(value)} items")
            for item in value:
                visit(item)
        else:
            texts.append(value if isinstance(value, str) else repr(value))

    visit(result)
    return tensors, texts
