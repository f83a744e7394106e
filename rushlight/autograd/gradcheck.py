"""Checking derivatives against finite differences.

The numerical derivative of output f with respect to an element x is ``(f(x + eps) - f(x - eps)) /
(2 eps)``, right to about eps**2; in float64 with eps = 1e-6 that is ten digits. A complex input is
moved along both axes, and the two derivatives form ``df/da + i df/db``, which is what `backward`
computes; a complex output is checked as two real ones.
"""

from __future__ import annotations

import warnings

import rushlight as torch

__all__ = ["gradcheck", "gradgradcheck", "GradcheckError"]


class GradcheckError(RuntimeError):
    """What `gradcheck` and `gradgradcheck` raise when a derivative is wrong."""


NONDETERMINISTIC = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
    "times gives different values, although analytical gradient matches numerical gradient."
    "The tolerance for nondeterminism was {}.")
UNDEFINED = ('Expected backward function to handle undefined output grads. Please look at "Notes '
             'about undefined output gradients" in "tools/autograd/derivatives.yaml"')


def _as_tuple(value):
    if isinstance(value, tuple):
        return value
    return tuple(value) if isinstance(value, list) else (value,)


def _differentiable(outputs):
    return tuple(o for o in _as_tuple(outputs) if isinstance(o, torch.Tensor) and o.requires_grad)


def _checked_inputs(inputs):
    """The inputs that are checked; warns of what cannot work, raises where there is none."""
    checked = []
    for i, x in enumerate(inputs):
        if not (isinstance(x, torch.Tensor) and x.requires_grad):
            continue
        if x.dtype not in (torch.float64, torch.complex128):
            warnings.warn(f"Input #{i} requires gradient and is not a double precision floating "
                          "point or complex. This check will likely fail if all the inputs are "
                          "not of double precision floating point or complex. ", stacklevel=4)
        if any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.size())):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck.")
        checked.append(x)
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but "
                         "none of them have requires_grad=True.")
    return checked


# -- real functions of complex tensors -------------------------------------------------------------

def _parts(tensor):
    """The real tensors an output is checked as: itself, or its real and its imaginary part."""
    return (torch.real(tensor), torch.imag(tensor)) if tensor.is_complex() else (tensor,)


def _axes(tensor):
    """The directions an input's elements are moved along."""
    return (1.0, 1.0j) if tensor.is_complex() else (1.0,)


# -- numerical derivatives -------------------------------------------------------------------------

class _Numerical:
    """A function with inputs that can be moved, and its outputs as flat real vectors."""

    def __init__(self, func, inputs, eps, positions):
        self.func, self.inputs, self.eps, self.positions = func, inputs, eps, positions

    def outputs(self):
        found = _as_tuple(self.func(*self.inputs))
        return [part.detach().reshape(-1).clone() for i in self.positions
                for part in _parts(found[i])]

    def along(self, tensor, direction):
        """d outputs / d t of the inputs with ``tensor + t * direction``, at t = 0."""
        # Through .data: the graphs that were built from the inputs stay valid.
        data = tensor.data
        saved = data.clone()
        shift = direction * self.eps
        results = []
        with torch.no_grad():
            try:
                for moved in (saved + shift, saved - shift):
                    data.copy_(moved)
                    with torch.enable_grad():
                        results.append(self.outputs())
            finally:
                data.copy_(saved)
        self._check_alike(*results)
        return [(a - b) / (2 * self.eps) for a, b in zip(*results)]

    def _check_alike(self, first, second):
        for i, (a, b) in enumerate(zip(first, second)):
            where = f"for output {i} " if len(first) > 1 else ""
            for what, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
                if x != y:
                    raise AssertionError(
                        f"Expected `func` to return outputs with the same {what} when inputs are "
                        f"perturbed {where}by {self.eps}, but got: {what}s {x} and {y}.")

    def jacobians(self, tensor):
        """For each real output, the matrix (elements of the input) x (elements of the output)."""
        rows: list = []
        unit = torch.zeros(tensor.shape, dtype=tensor.dtype)
        flat = unit.view(-1)
        for element in range(tensor.numel()):
            found = None
            for axis in _axes(tensor):
                flat[element] = axis
                slopes = self.along(tensor, unit)
                if found is None:
                    found = slopes
                else:
                    found = [torch.complex(a, b) for a, b in zip(found, slopes)]
            flat[element] = 0.0
            rows.append(found)
        return [torch.stack([row[k] for row in rows]) for k in range(len(rows[0]))] if rows else []


# -- analytical derivatives ------------------------------------------------------------------------

def _backward(output, inputs, weight):
    return torch.autograd.grad(output, inputs, weight, retain_graph=True, allow_unused=True)


def _analytical(part, inputs, check_grad_dtypes):
    """The Jacobians of one real output: for each input a matrix as in `_Numerical.jacobians`."""
    columns: list = [[] for _ in inputs]
    weight = torch.zeros(part.shape, dtype=part.dtype)
    flat = weight.view(-1)
    for element in range(part.numel()):
        flat[element] = 1.0
        found = _backward(part, inputs, weight.clone())
        flat[element] = 0.0
        for column, x, gradient in zip(columns, inputs, found):
            column.append(_flat_gradient(x, gradient, check_grad_dtypes))
    return [torch.stack(column, dim=1) if column else x.new_zeros((x.numel(), 0))
            for column, x in zip(columns, inputs)]


def _flat_gradient(x, gradient, check_grad_dtypes):
    if gradient is None:
        return torch.zeros(x.numel(), dtype=x.dtype)
    if check_grad_dtypes and gradient.dtype != x.dtype:
        raise GradcheckError("Gradient has dtype mismatch")
    if gradient.size() != x.size():
        raise GradcheckError("Analytical gradient has incorrect size")
    return gradient.detach().reshape(-1)


def _close(a, b, rtol, atol):
    kind = torch.promote_types(a.dtype, b.dtype)
    a, b = a.to(kind), b.to(kind)
    # A NaN fails both comparisons; equal infinities pass the second.
    within = (a - b).abs() <= b.abs() * rtol + atol
    return bool(torch.logical_or(within, a == b).all())


def _mismatch(output, i, j, test_imaginary, numerical, analytical):
    prefix = ""
    if output.is_complex():
        part = "imaginary" if test_imaginary else "real"
        prefix = f"While considering the {part} part of complex outputs only, "
    return (f"{prefix}Jacobian mismatch for output {i} with respect to input {j},\n"
            f"numerical:{numerical}\nanalytical:{analytical}\n")


def _numbered_parts(outputs):
    """(output number, output, whether the imaginary part, the real tensor) for every part."""
    return [(i, output, k == 1, part) for i, output in enumerate(outputs)
            for k, part in enumerate(_parts(output))]


def _check_slow(numerical, outputs, checked, options):
    rtol, atol = options["rtol"], options["atol"]
    expected = [numerical.jacobians(x) for x in checked]
    for number, (i, output, imaginary, part) in enumerate(_numbered_parts(outputs)):
        found = _analytical(part, checked, options["check_grad_dtypes"])
        again = _analytical(part, checked, False)
        for j, x in enumerate(checked):
            want = expected[j][number] if x.numel() else found[j]
            if not _close(found[j], want, rtol, atol):
                raise GradcheckError(_mismatch(output, i, j, imaginary, want, found[j]))
        for first, second in zip(found, again):
            if first.numel() and (first - second).abs().max().item() > options["nondet_tol"]:
                raise GradcheckError(NONDETERMINISTIC.format(options["nondet_tol"]))


def _check_fast(numerical, outputs, checked, options):
    """One random direction for each input and weight for each output, instead of matrices.

    ``weight . J direction`` is compared; what differs in the full matrices differs here with
    probability 1. An error shows the matrices.
    """
    generator = torch.Generator().manual_seed(0)

    def unit(tensor):
        direction = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if tensor.is_complex():
            other = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            direction = torch.complex(direction, other)
        direction = direction / max(float(direction.abs().square().sum().sqrt()), 1e-300)
        return direction.to(tensor.dtype)

    directions = [unit(x) for x in checked]
    slopes = [numerical.along(x, u) for x, u in zip(checked, directions)]
    for number, (_, _, _, part) in enumerate(_numbered_parts(outputs)):
        weight = unit(part)
        gradients = _backward(part, checked, weight)
        again = _backward(part, checked, weight)
        for j, (x, u) in enumerate(zip(checked, directions)):
            first = _flat_gradient(x, gradients[j], options["check_grad_dtypes"])
            second = _flat_gradient(x, again[j], False)
            if first.numel() and (first - second).abs().max().item() > options["nondet_tol"]:
                raise GradcheckError(NONDETERMINISTIC.format(options["nondet_tol"]))
            # Along u the loss changes by the real part of conj(gradient) . u.
            found = float(torch.real(first.conj() * u.reshape(-1)).sum())
            want = float((slopes[j][number] * weight.reshape(-1)).sum())
            scale = max(float(u.abs().sum()) * float(weight.abs().sum()), 1.0)
            if not abs(found - want) <= options["atol"] * scale + options["rtol"] * abs(want):
                _check_slow(numerical, outputs, checked, options)
                raise GradcheckError(
                    f"Jacobian mismatch for output {number} with respect to input {j},\n"
                    f"numerical:{want}\nanalytical:{found}\n")


# -- what every backward must do -------------------------------------------------------------------

def _check_zero_gradients(outputs, checked):
    """A gradient of zero must stay zero: the backward multiplies by its argument."""
    found = torch.autograd.grad(outputs, checked, [torch.zeros_like(o) for o in outputs],
                                retain_graph=True, allow_unused=True)
    for x, gradient in zip(checked, found):
        if gradient is None:
            continue
        if not isinstance(gradient, torch.Tensor):
            raise GradcheckError("grad is incorrect type")
        if gradient.device != x.device:
            raise GradcheckError("grad is incorrect device")
        if gradient.size() != x.size():
            raise GradcheckError("grad is incorrect size")
        if not bool(gradient.eq(0).all()):
            raise GradcheckError("backward not multiplied by grad_output")


def _check_undefined_gradients(outputs, checked):
    """A backward must work where only some of several outputs have a gradient."""
    for output in outputs if len(outputs) > 1 else ():
        try:
            torch.autograd.grad(output, checked, torch.zeros_like(output), retain_graph=True,
                                allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(UNDEFINED) from error


def _check_constant(func, inputs, checked, eps):
    """Outputs without a graph must not change with the inputs."""
    outputs = _as_tuple(func(*inputs))
    positions = [i for i, o in enumerate(outputs) if isinstance(o, torch.Tensor) and (
        o.is_floating_point() or o.is_complex())]
    numerical = _Numerical(func, inputs, eps, positions)
    for x in checked:
        for jacobian in numerical.jacobians(x):
            if bool(jacobian.ne(0).any()):
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _run_checks(func, inputs, options):
    checked = _checked_inputs(inputs)
    found = _as_tuple(func(*inputs))
    positions = [i for i, o in enumerate(found)
                 if isinstance(o, torch.Tensor) and o.requires_grad]
    outputs = tuple(found[i] for i in positions)
    if not outputs:
        _check_constant(func, inputs, checked, options["eps"])
        return
    numerical = _Numerical(func, inputs, options["eps"], positions)
    check = _check_fast if options["fast_mode"] else _check_slow
    check(numerical, outputs, checked, options)
    _check_zero_gradients(outputs, checked)
    if options["check_undefined_grad"]:
        _check_undefined_gradients(outputs, checked)


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True,
              nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False,
              check_batched_grad=False, check_batched_forward_grad=False, check_forward_ad=False,
              check_backward_ad=True, fast_mode=False, masked=None):
    """Whether the gradients of ``func(*inputs)`` agree with finite differences.

    func: a function of tensors with a tensor or tuple of tensors as its result. inputs: a tensor
        or a tuple; those that require a gradient are checked, and should be float64.
    eps: how far elements are moved. atol, rtol: ``abs(a - n) <= atol + rtol * abs(n)``.
    raise_exception: raise GradcheckError, which says where they differ, instead of returning
        False. nondet_tol: by how much two runs of backward may differ. fast_mode: compare along
        random directions instead of element by element.

    Forward-mode and batched checks raise NotImplementedError.

    >>> x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    >>> gradcheck(torch.sin, (x,))
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    for name, asked in (("check_forward_ad", check_forward_ad),
                        ("check_batched_grad", check_batched_grad),
                        ("check_batched_forward_grad", check_batched_forward_grad)):
        if asked:
            raise NotImplementedError(f"gradcheck({name}=True) is not implemented")
    options = {"eps": eps, "atol": atol, "rtol": rtol, "nondet_tol": nondet_tol,
               "check_undefined_grad": check_undefined_grad,
               "check_grad_dtypes": check_grad_dtypes, "fast_mode": fast_mode}
    try:
        _run_checks(func, _as_tuple(inputs), options)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3,
                  gen_non_contig_grad_outputs=False, raise_exception=True, nondet_tol=0.0,
                  check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
                  check_fwd_over_rev=False, check_rev_over_rev=True, fast_mode=False,
                  masked=False):
    """Whether the second derivatives of ``func(*inputs)`` agree with finite differences.

    The function checked is the gradient of `func` as a function of its inputs and of
    `grad_outputs`, which are random where they are not given. Other arguments as in `gradcheck`.

    >>> x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    >>> gradgradcheck(torch.sin, (x,))
    True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError(
            "Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_rev_over_rev to be True")
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck(check_fwd_over_rev=True) is not implemented")
    inputs = _as_tuple(inputs)
    if grad_outputs is None:
        weights = tuple(_random_like(o, gen_non_contig_grad_outputs)
                        for o in _differentiable(func(*inputs)))
    else:
        weights = _as_tuple(grad_outputs)
    count = len(weights)

    def gradient(*arguments):
        own, given = arguments[:len(arguments) - count], arguments[len(arguments) - count:]
        with torch.enable_grad():
            outputs = _differentiable(func(*own))
            wanted = tuple(x for x in own if isinstance(x, torch.Tensor) and x.requires_grad)
            found = torch.autograd.grad(outputs, wanted, given, create_graph=True,
                                        allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(gradient, inputs + weights, eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception, nondet_tol=nondet_tol,
                     check_undefined_grad=check_undefined_grad,
                     check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
                     fast_mode=fast_mode)


def _random_like(output, non_contiguous):
    """A random gradient of an output, between -1 and 1, that requires a gradient itself."""
    shape = tuple(output.shape)
    if non_contiguous and shape:
        shape = (*shape[:-1], 2 * shape[-1])
    real = {torch.complex64: torch.float32, torch.complex128: torch.float64}
    made = torch.rand(shape, dtype=real.get(output.dtype, output.dtype)) * 2 - 1
    if output.is_complex():
        made = torch.complex(made, torch.rand(shape, dtype=made.dtype) * 2 - 1)
    if non_contiguous and shape:
        made = made[..., ::2]
    return made.detach().requires_grad_(True)
