"""Memory that begins at a cache line.

A vector is as long as a cache line on many CPUs. Stored anywhere else it touches two lines: a
matrix product of 256 x 256 takes a tenth longer then. The C library aligns to 16 bytes.
"""

from __future__ import annotations

import functools
import sys
from contextvars import copy_context
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


class Allocator:
    """Lets NumPy allocate at cache lines for a while, on Linux; elsewhere `handler` is None.

    NumPy takes an array's memory from a handler that the thread's context names (NEP 49), and
    remembers with the array whom to give it back to. This handler is NumPy's own but for its
    ``malloc``, which is the C library's ``aligned_alloc``: what that returns, ``free`` takes back.

        token = lines.chosen.set(lines.handler)
        try:
            array = np.empty(...)       # owns its memory, as always
        finally:
            lines.chosen.reset(token)
        lines.advise(array)

    chosen: NumPy's context variable, which has a value once its C function has set one.
    """

    def __init__(self):
        self.handler: Any = None
        self.chosen: Any = None
        self._advise: Any = None
        if sys.platform != "linux":
            return
        import ctypes
        try:
            library = ctypes.CDLL(None)
            aligned_alloc, self._advise = library.aligned_alloc, library.madvise
            table = _table()
        except (AttributeError, ValueError):
            return
        python = ctypes.py_object
        set_handler = ctypes.PYFUNCTYPE(python, python)(table[SET_HANDLER])
        own = ctypes.PYFUNCTYPE(python)(table[GET_HANDLER])()
        pointer = _capsule_pointer(own, b"mem_handler")
        # char name[127], uint8 version, then ctx, malloc, calloc, realloc, free.
        if ctypes.string_at(pointer) != b"default_allocator" or \
                ctypes.c_uint8.from_address(pointer + 127).value != 1:
            return
        words = ctypes.c_void_p * 5
        functions = words.from_address(pointer + 128)
        memory = ctypes.create_string_buffer(ctypes.string_at(pointer, 168), 168)
        # Arrays may outlive this module when the interpreter shuts down.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
        memory[:16] = b"rushlight_lines\0"
        mine = words.from_address(ctypes.addressof(memory) + 128)
        mine[0], mine[1] = LINE, ctypes.cast(aligned_alloc, ctypes.c_void_p).value
        mine[2:] = functions[2:]
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = python, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        handler = make(ctypes.addressof(memory), b"mem_handler", None)
        context = copy_context()
        context.run(set_handler, handler)
        self.chosen = next((v for v in context if v.name == "current_allocator"), None)
        self.handler = handler if self.chosen is not None else None
        self._advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

    def advise(self, array: np.ndarray) -> None:
        """Ask for huge pages under a large array, as NumPy does for memory of its own."""
        if self.handler is not None and array.nbytes >= HUGE:
            start = array.__array_interface__["data"][0]
            skipped = -start % 4096
            self._advise(start + skipped, array.nbytes - skipped, ADVICE_HUGE_PAGES)


@functools.cache
def allocator() -> Allocator:
    """The process's `Allocator`, made at its first use."""
    return Allocator()


def empty(shape, dtype) -> np.ndarray:
    """`np.empty`, at a cache line where the system permits."""
    lines = allocator()
    if lines.handler is None:
        return np.empty(shape, dtype)
    token = lines.chosen.set(lines.handler)
    try:
        array = np.empty(shape, dtype)
    finally:
        lines.chosen.reset(token)
    lines.advise(array)
    return array


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
