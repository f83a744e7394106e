"""How many threads compute: native plans' pool, and the BLAS of the interpreter's products."""

from __future__ import annotations

import ctypes
import glob
import os

import numpy as np

from ..codegen.pool import set_threads as set_native_threads

_SETTERS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads",
            "openblas_set_num_threads64_", "openblas_set_num_threads")


def set_threads(count: int) -> None:
    """Use `count` threads from now on: in native plans, and in NumPy's BLAS where that can be."""
    set_native_threads(count)
    set_blas_threads(count)


def set_blas_threads(count: int) -> bool:
    """Tell the OpenBLAS that NumPy's wheel brings; False where it is another library."""
    folder = os.path.join(os.path.dirname(np.__file__), os.pardir, "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas*")):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in _SETTERS:
            setter = getattr(library, name, None)
            if setter is not None:
                setter(ctypes.c_int(count))
                return True
    return False
