"""Memory that begins at a cache line.

A vector is as long as a cache line on many CPUs. Stored anywhere else it touches two lines: a
matrix product of 256 x 256 takes a tenth longer then. The C library aligns to 16 bytes.
"""

from __future__ import annotations

import functools
import sys
from contextvars import Context
from typing import Any

import numpy as np

LINE = 64
HUGE = 2 ** 22          # bytes from which NumPy, and so this module, asks for huge pages
ADVICE_HUGE_PAGES = 14  # madvise's MADV_HUGEPAGE

# NumPy's table of C functions (NEP 49); the places are part of its binary interface.
SET_HANDLER, GET_HANDLER = 304, 305


def block(nbytes: int, alignment: int = LINE) -> tuple[np.ndarray, int]:
    """(an array of bytes, the first address in it that is aligned and has `nbytes` after it)."""
    memory = np.empty(nbytes + alignment, np.uint8)
    start = memory.__array_interface__["data"][0]
    return memory, start + -start % alignment


def empty(shape, dtype) -> np.ndarray:
    """`np.empty`, at a cache line where the system permits; the array owns its memory, as always.

    NumPy takes an array's memory from a handler that the thread's context names (NEP 49), and
    remembers with the array whom to give it back to. A large array asks for huge pages, as one of
    NumPy's own does.
    """
    found = _handler()
    if found is None:
        return np.empty(shape, dtype)
    context, advise = found
    try:
        array = context.run(np.empty, shape, dtype)
    except RuntimeError:        # the context is entered: by another thread, or what GC finalizes
        return np.empty(shape, dtype)
    if array.nbytes >= HUGE:
        start = array.__array_interface__["data"][0]
        skipped = -start % 4096
        advise(start + skipped, array.nbytes - skipped, ADVICE_HUGE_PAGES)
    return array


@functools.cache
def _handler() -> Any:
    """(a context in which NumPy uses such a handler, madvise), on Linux; elsewhere None.

    The handler is NumPy's own but for its ``malloc``, which is the C library's ``aligned_alloc``:
    what that returns, ``free`` takes back.
    """
    if sys.platform != "linux":
        return None
    import ctypes
    try:
        library = ctypes.CDLL(None)
        aligned_alloc, advise = library.aligned_alloc, library.madvise
        table = _table()
    except (AttributeError, ValueError):
        return None
    python = ctypes.py_object
    set_handler = ctypes.PYFUNCTYPE(python, python)(table[SET_HANDLER])
    own = ctypes.PYFUNCTYPE(python)(table[GET_HANDLER])()
    pointer = _capsule_pointer(own, b"mem_handler")
    # char name[127], uint8 version, then ctx, malloc, calloc, realloc, free.
    if ctypes.string_at(pointer) != b"default_allocator" or \
            ctypes.c_uint8.from_address(pointer + 127).value != 1:
        return None
    memory = ctypes.create_string_buffer(ctypes.string_at(pointer, 168), 168)
    # Arrays may outlive this module when the interpreter shuts down.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    memory[:16] = b"rushlight_lines\0"
    words = (ctypes.c_void_p * 5).from_address(ctypes.addressof(memory) + 128)
    words[0], words[1] = LINE, ctypes.cast(aligned_alloc, ctypes.c_void_p).value
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = python, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    handler = make(ctypes.addressof(memory), b"mem_handler", None)
    context = Context()
    context.run(set_handler, handler)
    if all(variable.name != "current_allocator" for variable in context):
        return None
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return context, advise


def _table():
    """NumPy's table of C functions, as addresses."""
    import ctypes
    from importlib import import_module
    capsule = import_module("numpy._core.multiarray")._ARRAY_API
    return ctypes.cast(_capsule_pointer(capsule, None), ctypes.POINTER(ctypes.c_void_p))


def _capsule_pointer(capsule, name) -> int:
    import ctypes
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, name)
