"""How many threads compute: native plans' pool, and the BLAS of the interpreter's products.

Note [a processor for the compiler]: the threads of NumPy's OpenBLAS wait by spinning. While plans
are being compiled they would take the processor that the compiler's process needs, and steps would
wait for both; so the interpreter's products then use one thread less than there are processors.
"""

from __future__ import annotations

import ctypes
import functools
import glob
import os
import threading

import numpy as np

from ..codegen.pool import processors
from ..codegen.pool import set_threads as set_native_threads

_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
          "openblas_{}_num_threads64_", "openblas_{}_num_threads")
_lock = threading.Lock()
_lent: list = []         # [BLAS's threads before, and while the compiler works]


def set_threads(count: int) -> None:
    """Use `count` threads from now on: in native plans, and in NumPy's BLAS where that can be."""
    set_native_threads(count)
    with _lock:
        if _lent:
            _lent[:] = count, min(count, _lent[1])
        _set_blas(_lent[1] if _lent else count)


def lend_a_processor(wanted: bool) -> None:
    """Leave the compiler one of BLAS's processors from now on, or take it back."""
    with _lock:
        if wanted and not _lent:
            count = _get_blas()
            _lent[:] = count, max(1, min(count, processors() - 1))
            _set_blas(_lent[1])
        elif _lent and not wanted:
            count, fewer = _lent
            _lent.clear()
            if _get_blas() == fewer:        # else the program has set it meanwhile
                _set_blas(count)


def _get_blas() -> int:
    return _blas()[0]() if _blas() else 1


def _set_blas(count: int) -> None:
    if _blas():
        _blas()[1](count)


@functools.cache
def _blas():
    """The functions that get and set the threads of the OpenBLAS that NumPy's wheel brings.

    Empty where NumPy uses another library.
    """
    folder = os.path.join(os.path.dirname(np.__file__), os.pardir, "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas*")):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in _NAMES:
            getter = getattr(library, name.format("get"), None)
            setter = getattr(library, name.format("set"), None)
            if getter is not None and setter is not None:
                setter.argtypes, setter.restype = (ctypes.c_int,), None
                return getter, setter
    return ()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    lend_a_processor(False)


os.register_at_fork(after_in_child=_forked)
