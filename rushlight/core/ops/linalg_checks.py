"""What the functions of `torch.linalg` check before they compute, and the errors they raise."""

from __future__ import annotations

from .arguments import not_implemented_for, scalar_name
from .record import export


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite, where it must not be."""


LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"
LinAlgError.__module__ = "torch._C"
export("linalg", name="LinAlgError")(LinAlgError)


def need_matrix(name, x, letter="A"):
    """RuntimeError for fewer than two dimensions."""
    if len(x.shape) < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")


def need_square(name, x, letter="A"):
    """RuntimeError for anything but square matrices."""
    need_matrix(name, x, letter)
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{name}: {letter} must be batches of square matrices, but they are "
                           f"{x.shape[-2]} by {x.shape[-1]} matrices")


def need_float(name, x, low=False):
    """RuntimeError for integers, and for float16 and bfloat16 unless `low`."""
    if x.dtype.category < 2:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got "
                           f"{scalar_name(x.dtype)}")
    if x.dtype.half and not low:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got "
                           f"{scalar_name(x.dtype)}")


def need_kernel(kernel, x):
    """NotImplementedError for a dtype that LAPACK has no code for."""
    if x.dtype.category < 2 or x.dtype.half:
        raise not_implemented_for(kernel, x.dtype)


def same_types(name, a, b):
    """RuntimeError when the two sides of an equation differ in dtype."""
    if a.dtype is not b.dtype:
        raise RuntimeError(f"{name}: Expected A and B to have the same dtype, but found A of type "
                           f"{scalar_name(a.dtype)} and B of type {scalar_name(b.dtype)} instead")


def fits(name, a, b, left):
    """RuntimeError when AX = B (or XA = B) is impossible for these shapes."""
    rows = a.shape[-2] == b.shape[-2] if left else a.shape[-1] == b.shape[-1]
    if not rows:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})")


def first_failure(info):
    """(words naming the batch element, its number) of the first failure, or None."""
    array = info._array()
    if not array.any():
        return None
    if not array.ndim:
        return "", int(array)
    flat = array.reshape(-1)
    index = int((flat != 0).argmax())
    return f"(Batch element {index}): ", int(flat[index])


def check_inverse(name, info):
    """Raise for the first singular matrix."""
    failed = first_failure(info)
    if failed:
        raise LinAlgError(f"{name}: {failed[0]}The diagonal element {failed[1]} is zero, the "
                          "inversion could not be completed because the input matrix is singular.")


def check_solve(name, info):
    """Raise for the first singular matrix of a system."""
    failed = first_failure(info)
    if failed:
        raise LinAlgError(f"{name}: {failed[0]}The solver failed because the input matrix is "
                          "singular.")


def check_cholesky(name, info):
    """Raise for the first matrix that is not positive-definite."""
    failed = first_failure(info)
    if failed:
        raise LinAlgError(
            f"{name}: {failed[0]}The factorization could not be completed because the input is not "
            f"positive-definite (the leading minor of order {failed[1]} is not positive-definite).")
