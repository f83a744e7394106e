"""Derivatives of functions: products with the Jacobian or the Hessian, and the matrices themselves.

A function takes tensors and returns a tensor or a tuple of them. All of this is reverse-mode
differentiation; a product with the Jacobian from the right, J v, is made by differentiating the
product from the left, v^T J, which is linear in v.
"""

from __future__ import annotations

import rushlight as torch

__all__ = ["vjp", "jvp", "jacobian", "hessian", "hvp", "vhp"]

NOT_STRICT = "This is not allowed in strict mode"
# What strict mode says of a gradient that is not there, and of one that does not depend on the
# inputs though a graph was asked for; {} is the index of the input.
INDEPENDENT_OUTPUT = ("The output of the user-provided function is independent of input {}. "
                      + NOT_STRICT + ".")
CONSTANT_JACOBIAN = ("The jacobian of the user-provided function is independent of input {}. "
                     + NOT_STRICT + " when create_graph=True.")
CONSTANT_HESSIAN = ("The hessian of the user-provided function is independent of input {}. "
                    + NOT_STRICT + " when create_graph=True.")
TEXTS = {
    "vjp": (INDEPENDENT_OUTPUT, CONSTANT_JACOBIAN),
    "jvp": ("The gradient with respect to the input is independent of entry {} in the "
            "grad_outputs when using the double backward trick to compute forward mode "
            "gradients. " + NOT_STRICT + ".", CONSTANT_JACOBIAN),
    "vhp": ("The jacobian of the user-provided function is independent of input {}. "
            + NOT_STRICT + ".", CONSTANT_HESSIAN),
    "hvp": ("The hessian of the user-provided function is independent of entry {} in the "
            "grad_jacobian. " + NOT_STRICT + " as it prevents from using the double backward "
            "trick to replace forward mode AD.", CONSTANT_HESSIAN),
}
NEEDS_GRADIENT = {
    "outputs": "Output {} of the user-provided function does not require gradients. The outputs "
               "must be computed in a differentiable manner from the input when running in strict "
               "mode.",
    "grad_inputs": "The gradient with respect to input {} is independent of the inputs of the "
                   "user-provided function. " + NOT_STRICT + ".",
    "jacobian": "While computing the hessian, found that the jacobian of the user-provided "
                "function with respect to input {} is independent of the input. " + NOT_STRICT
                + ". You should ensure that your function is twice differentiable and that the "
                "jacobian depends on the inputs (this would be violated by a linear function for "
                "example).",
    "hessian": "The hessian of the user-provided function with respect to input {} is independent "
               "of the input. " + NOT_STRICT + ". You should ensure that your function is thrice "
               "differentiable and that the hessian depends on the inputs.",
}


# -- inputs, outputs and vectors -------------------------------------------------------------------

def _as_tuple(value, what, function):
    """(whether it was a tuple, the tuple); TypeError for anything but tensors."""
    if isinstance(value, torch.Tensor):
        return False, (value,)
    if not isinstance(value, (tuple, list)):
        value = (value,)
        where = f"the given {what} has type {type(value[0])}."
        raise TypeError(f"The {what} given to {function} must be either a Tensor or a tuple of "
                        f"Tensors but {where}")
    for i, item in enumerate(value):
        if not isinstance(item, torch.Tensor):
            raise TypeError(f"The {what} given to {function} must be either a Tensor or a tuple "
                            f"of Tensors but the value at index {i} has type {type(item)}.")
    return True, tuple(value)


def _prepare(inputs, create_graph, need_graph=True):
    """The tensors to differentiate at: new leaves, or with `create_graph` part of the graph."""
    made = []
    for tensor in inputs:
        if create_graph and tensor.requires_grad:
            # A view, so that a gradient with respect to it passes on to the caller's tensor.
            made.append(tensor.view_as(tensor))
        else:
            made.append(tensor.detach().requires_grad_(need_graph))
    return tuple(made)


def _release(value, create_graph):
    """Tensors, in nested tuples, without the graph unless it was asked for."""
    if isinstance(value, tuple):
        return tuple(_release(item, create_graph) for item in value)
    return value if create_graph else value.detach()


def _unpack(values, was_tuple):
    return values if was_tuple else values[0]


def _leaves(function, inputs, create_graph):
    """(whether the inputs are a tuple, leaves to differentiate at)."""
    was_tuple, inputs = _as_tuple(inputs, "inputs", function)
    return was_tuple, _prepare(inputs, create_graph)


def _call(function, func, inputs):
    """(whether the outputs are a tuple, the outputs)."""
    return _as_tuple(func(*inputs), "outputs of the user-provided function", function)


def _vector(v, like, is_tuple, function, create_graph, missing):
    """`v` checked against what it multiplies; None stands for a single element's 1."""
    if v is None:
        if len(like) != 1 or like[0].nelement() != 1:
            raise RuntimeError(missing)
        return (torch.ones_like(like[0]),)
    _, v = _as_tuple(v, "v", function)
    v = _prepare(v, create_graph, need_graph=False)
    if len(v) != len(like):
        if is_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got "
                               f"{len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (have, want) in enumerate(zip(v, like)):
        if have.size() != want.size():
            entry = f"Entry {i} in " if is_tuple else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {want.size()} but got "
                               f"{have.size()}.")
    return v


NO_VECTOR_FOR_OUTPUT = ("The vector v can only be None if the user-provided function returns a "
                        "single Tensor with a single element.")
NO_VECTOR_FOR_INPUT = ("The vector v can only be None if the input to the user-provided function "
                       "is a single Tensor with a single element.")


# -- gradients -------------------------------------------------------------------------------------

def _gradients(outputs, inputs, vectors=None, create_graph=False, retain_graph=None):
    """`autograd.grad` that leaves out outputs without a graph, and gives None where nothing is."""
    if vectors is None:
        vectors = (None,) * len(outputs)
    chosen = [(o, v) for o, v in zip(outputs, vectors) if o is not None and o.requires_grad]
    if not chosen:
        return (None,) * len(inputs)
    return torch.autograd.grad([o for o, _ in chosen], inputs, [v for _, v in chosen],
                               allow_unused=True, create_graph=create_graph,
                               retain_graph=retain_graph)


def _require_gradients(tensors, what, strict):
    if strict:
        for i, tensor in enumerate(tensors):
            if tensor is None:
                raise RuntimeError(INDEPENDENT_OUTPUT.format(i))
            if not tensor.requires_grad:
                raise RuntimeError(NEEDS_GRADIENT[what].format(i))


def _filled(gradients, like, strict, create_graph, function):
    """Zeros where there is no gradient; in strict mode the error that says why."""
    missing, constant = TEXTS[function]
    result = []
    for i, (gradient, reference) in enumerate(zip(gradients, like)):
        if gradient is None:
            if strict:
                raise RuntimeError(missing.format(i))
            gradient = torch.zeros_like(reference)
        elif strict and create_graph and not gradient.requires_grad:
            raise RuntimeError(constant.format(i))
        result.append(gradient)
    return tuple(result)


def _check_scalar(outputs, is_tuple, function):
    if is_tuple:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].nelement() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {function} should "
                           "contain a single element")


# -- products --------------------------------------------------------------------------------------

def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), v^T J)``: a product of the Jacobian with a vector from the left.

    v: of the outputs' shapes; may be left out for a single output of one element.
    create_graph: let the results be differentiated. strict: raise RuntimeError where an output
    does not depend on an input, instead of giving zeros.

    >>> vjp(lambda x: x.exp().sum(dim=1), torch.rand(4, 4), torch.ones(4))
    """
    with torch.enable_grad():
        was_tuple, inputs = _leaves("vjp", inputs, create_graph)
        several, outputs = _call("vjp", func, inputs)
        _require_gradients(outputs, "outputs", strict)
        v = _vector(v, outputs, several, "vjp", create_graph, NO_VECTOR_FOR_OUTPUT)
    with torch.set_grad_enabled(create_graph or torch.is_grad_enabled()):
        found = _gradients(outputs, inputs, v, create_graph)
        found = _filled(found, inputs, strict, create_graph, "vjp")
    return (_unpack(_release(outputs, create_graph), several),
            _unpack(_release(found, create_graph), was_tuple))


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), J v)``: a product of the Jacobian with a vector from the right.

    v: of the inputs' shapes; may be left out for a single input of one element. Other arguments
    as in `vjp`.

    >>> jvp(lambda x: x.exp().sum(dim=1), torch.rand(4, 4), torch.ones(4, 4))
    """
    with torch.enable_grad():
        was_tuple, inputs = _leaves("jvp", inputs, create_graph)
        v = _vector(v, inputs, was_tuple, "jvp", create_graph, NO_VECTOR_FOR_INPUT)
        several, outputs = _call("jvp", func, inputs)
        _require_gradients(outputs, "outputs", strict)
        weights = tuple(torch.zeros_like(output, requires_grad=True) for output in outputs)
        from_left = _gradients(outputs, inputs, weights, create_graph=True)
        _require_gradients(from_left, "grad_inputs", strict)
    with torch.set_grad_enabled(create_graph or torch.is_grad_enabled()):
        found = _gradients(from_left, weights, v, create_graph)
        found = _filled(found, outputs, strict, create_graph, "jvp")
    return (_unpack(_release(outputs, create_graph), several),
            _unpack(_release(found, create_graph), several))


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), v^T H)`` for a function with a single value.

    v: of the inputs' shapes; may be left out for a single input of one element. Other arguments
    as in `vjp`. Cheaper than `hvp`, and equal to it where H is symmetric.

    >>> vhp(lambda x: x.pow(3).sum(), torch.rand(2, 2), torch.ones(2, 2))
    """
    with torch.enable_grad():
        was_tuple, inputs = _leaves("vhp", inputs, create_graph)
        v = _vector(v, inputs, was_tuple, "vhp", create_graph, NO_VECTOR_FOR_INPUT)
        several, outputs = _call("vhp", func, inputs)
        _check_scalar(outputs, several, "vhp")
        first = _gradients(outputs, inputs, create_graph=True)
        _require_gradients(first, "jacobian", strict)
    with torch.set_grad_enabled(create_graph or torch.is_grad_enabled()):
        found = _gradients(first, inputs, v, create_graph)
        found = _filled(found, inputs, strict, create_graph, "vhp")
    return (_release(outputs, create_graph)[0],
            _unpack(_release(found, create_graph), was_tuple))


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """``(func(inputs), H v)`` for a function with a single value.

    Arguments as in `vhp`.

    >>> hvp(lambda x: x.pow(3).sum(), torch.rand(2, 2), torch.ones(2, 2))
    """
    with torch.enable_grad():
        was_tuple, inputs = _leaves("hvp", inputs, create_graph)
        v = _vector(v, inputs, was_tuple, "hvp", create_graph, NO_VECTOR_FOR_INPUT)
        several, outputs = _call("hvp", func, inputs)
        _check_scalar(outputs, several, "hvp")
        first = _gradients(outputs, inputs, create_graph=True)
        _require_gradients(first, "jacobian", strict)
        weights = tuple(torch.zeros_like(tensor, requires_grad=True) for tensor in inputs)
        from_left = _gradients(first, inputs, weights, create_graph=True)
        _require_gradients(first, "hessian", strict)
    with torch.set_grad_enabled(create_graph or torch.is_grad_enabled()):
        found = _gradients(from_left, weights, v, create_graph)
        found = _filled(found, inputs, strict, create_graph, "hvp")
    return (_release(outputs, create_graph)[0],
            _unpack(_release(found, create_graph), was_tuple))


# -- matrices --------------------------------------------------------------------------------------

def _check_strategy(strategy, text):
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(text)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False,
             strategy="reverse-mode"):
    """The Jacobian of a function: for output i and input j, a tensor of shape out_i + in_j.

    A single output gives a tuple over inputs, a single input a tensor. create_graph and strict as
    in `vjp`. vectorize and strategy choose how PyTorch computes it; here rows are always computed
    one by one in reverse mode, and the result is the same. Combinations that PyTorch refuses
    raise the same errors.

    >>> jacobian(lambda x: x.exp().sum(dim=1), torch.rand(2, 2)).shape
    torch.Size([2, 2, 2])
    """
    _check_strategy(strategy, (
        'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
        'function has more outputs than inputs, "forward-mode" tends to be more performant. '
        'Otherwise, prefer to use "reverse-mode".'))
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                "torch.autograd.functional.jacobian: `create_graph=True` and "
                '`strategy="forward-mode"` are not supported together (yet). Please either set '
                '`create_graph=False` or `strategy="reverse-mode"`.')
        if strict:
            raise RuntimeError(
                'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` '
                "are not supported together (yet). Please either set `strict=False` or "
                '`strategy="reverse-mode"`.')
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
                "only implemented for `vectorize=True`.")
    elif strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`.")
    with torch.enable_grad():
        was_tuple, inputs = _leaves("jacobian", inputs, create_graph)
        several, outputs = _call("jacobian", func, inputs)
        _require_gradients(outputs, "outputs", strict)
        rows = tuple(_jacobian_of(i, output, inputs, create_graph, strict)
                     for i, output in enumerate(outputs))
    rows = _release(rows, create_graph)
    if not was_tuple:
        rows = tuple(row[0] for row in rows)
    return _unpack(rows, several)


def _jacobian_of(number, output, inputs, create_graph, strict):
    """The Jacobian of one output with respect to each input."""
    columns: tuple = tuple([] for _ in inputs)
    flat = output.reshape(-1)
    for j in range(output.nelement()):
        found = _gradients((flat[j],), inputs, None, create_graph, retain_graph=True)
        for i, gradient in enumerate(found):
            if gradient is None:
                if strict:
                    raise RuntimeError(f"Output {number} of the user-provided function is "
                                       f"independent of input {i}. {NOT_STRICT}.")
                gradient = torch.zeros_like(inputs[i])
            elif strict and create_graph and not gradient.requires_grad:
                raise RuntimeError(CONSTANT_JACOBIAN.format(i))
            columns[i].append(gradient)
    return tuple(
        (torch.stack(parts, dim=0) if parts else x.new_zeros((0, *x.shape)))
        .view(output.size() + x.size()) for parts, x in zip(columns, inputs))


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False,
            outer_jacobian_strategy="reverse-mode"):
    """The second derivatives of a function with a single value.

    A single input gives a tensor of shape in + in, several a tuple of tuples. Arguments as in
    `jacobian`, of which it is two.

    >>> hessian(lambda x: x.pow(3).sum(), torch.rand(2, 2)).shape
    torch.Size([2, 2, 2, 2])
    """
    was_tuple, inputs = _as_tuple(inputs, "inputs", "hessian")
    _check_strategy(outer_jacobian_strategy,
                    'Expected strategy to be either "forward-mode" or "reverse-mode".')

    def scalar(*arguments):
        outputs = func(*arguments)
        several, checked = _as_tuple(outputs, "outputs of the user-provided function", "hessian")
        _check_scalar(checked, several, "hessian")
        return outputs.squeeze()

    def gradient(*arguments):
        if outer_jacobian_strategy == "forward-mode":
            arguments = tuple(x.requires_grad_(True) for x in arguments)
        found = jacobian(scalar, arguments, create_graph=True)
        _require_gradients(found, "jacobian", strict)
        return found

    found = jacobian(gradient, inputs, create_graph=create_graph, strict=strict,
                     vectorize=vectorize, strategy=outer_jacobian_strategy)
    return found if was_tuple else found[0][0]
