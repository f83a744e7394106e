"""Object files loaded without LLVM: sections laid out in one block, linked, made executable.

A program that only runs kernels, which the compiler's process made, so need not load LLVM: that
would cost it some 80 MB and hold up its Python. What kernels need is little: their code and
constants refer to each other by distance, and a few call the C library's functions, through a jump
at the block's end. Known are ELF files for x86-64 on Linux; LLVM loads whatever else there is.

Source: System V ABI, chapters 4 and 5, and its AMD64 supplement, section 4.4.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import struct
import sys
from typing import Any, NamedTuple

SECTION, SYMBOL, RELOCATION = "<IIQQQQIIQQ", "<IBBHQQ", "<QQq"
X86_64 = 62                                         # e_machine
SYMBOLS, RELOCATIONS, ZEROS, UNWINDING = 2, 4, 8, 0x70000001        # sh_type
WRITTEN, LOADED, EXECUTED = 1, 2, 4                                 # sh_flags
UNDEFINED = 0                                                       # st_shndx
DISTANCE, CALL = 2, 4                               # R_X86_64_PC32, R_X86_64_PLT32
JUMP = b"\xff\x25\x00\x00\x00\x00"                  # jmp *(%rip): to the address that follows


class Section(NamedTuple):
    """An ELF section header's fields that matter here."""

    kind: int
    flags: int
    begin: int
    size: int
    link: int
    info: int
    align: int


class Image(NamedTuple):
    """Linked code for any address that begins a page.

    code: instructions and constants, whole pages. data: what is written, behind them.
    calls: {name of a C function: where in `code` its address is wanted}. symbols: places by name.
    """

    code: bytes
    data: bytes
    calls: dict[str, int]
    symbols: dict[str, int]


class Placed:
    """Executable memory; `placed[name]` is a symbol's address, valid while this is held."""

    def __init__(self, image: Image):
        size = len(image.code)
        self._memory = mmap.mmap(-1, size + len(image.data),
                                 flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._symbols = image.symbols
        self._memory[:] = image.code + image.data
        for name, place in image.calls.items():
            struct.pack_into("<Q", self._memory, place, _c_function(name))
        if _mprotect()(self._start, size, mmap.PROT_READ | mmap.PROT_EXEC):
            number = ctypes.get_errno()
            raise OSError(number, f"memory cannot be made executable: {os.strerror(number)}")

    def __getitem__(self, name: str) -> int:
        return self._start + self._symbols[name]


def can_place() -> bool:
    """Whether this system's object files are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2 ** 32


@functools.cache
def _mprotect() -> Any:
    function = ctypes.CDLL(None, use_errno=True).mprotect
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function


@functools.cache
def _c_function(name: str) -> int:
    """The address of a function of the C library."""
    address = ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    assert address is not None
    return address


def linked(binary: bytes) -> Image | None:
    """The image of an object file; None where it has anything that is not known here."""
    if binary[:7] != b"\x7fELF\x02\x01\x01" or struct.unpack_from("<H", binary, 18)[0] != X86_64:
        return None
    start, = struct.unpack_from("<Q", binary, 40)
    size, count = struct.unpack_from("<HH", binary, 58)
    sections = []
    for i in range(count):
        _, kind, flags, _, begin, length, link, info, align, _ = struct.unpack_from(
            SECTION, binary, start + i * size)
        sections.append(Section(kind, flags, begin, length, link, info, align))
    tables = [s for s in sections if s.kind == SYMBOLS]
    if len(tables) != 1:
        return None
    symbols = _symbols(binary, sections, tables[0])
    loaded = [i for i, s in enumerate(sections) if s.flags & LOADED and s.kind != UNWINDING]
    places: dict[int, int] = {}
    block = bytearray()
    for i in sorted(loaded, key=lambda i: not sections[i].flags & EXECUTED):
        if not sections[i].flags & WRITTEN:
            _append(block, binary, sections[i], places, i)
    jumps: dict[str, int] = {}
    for name, where, _ in symbols:
        if where == UNDEFINED and name:
            jumps[name] = len(block)
            block += JUMP + bytes(10)               # the address, and two bytes to sixteen
    block += bytes(-len(block) % mmap.PAGESIZE)
    executable = len(block)
    for i in loaded:
        if sections[i].flags & WRITTEN:
            _append(block, binary, sections[i], places, i)

    for table in sections:
        if table.kind == RELOCATIONS and table.info in places:
            for at in range(table.begin, table.begin + table.size, struct.calcsize(RELOCATION)):
                if not _relocate(block, struct.unpack_from(RELOCATION, binary, at),
                                 places[table.info], symbols, places, jumps):
                    return None
    return Image(bytes(block[:executable]), bytes(block[executable:]),
                 {name: at + len(JUMP) for name, at in jumps.items()},
                 {name: places[where] + value for name, where, value in symbols
                  if name and where in places})


def _append(block, binary, section, places, number) -> None:
    """Lay a section out at the end of the block."""
    block += bytes(-len(block) % max(section.align, 1))
    places[number] = len(block)
    block += bytes(section.size) if section.kind == ZEROS else \
        binary[section.begin:section.begin + section.size]


def _symbols(binary, sections, table) -> list:
    """[(name, section, value)] of a symbol table."""
    names = sections[table.link].begin
    found = []
    for at in range(table.begin, table.begin + table.size, struct.calcsize(SYMBOL)):
        name, _, _, where, value, _ = struct.unpack_from(SYMBOL, binary, at)
        begin = names + name
        found.append((binary[begin:binary.index(b"\0", begin)].decode(), where, value))
    return found


def _relocate(block, relocation, base, symbols, places, jumps) -> bool:
    """Write a distance between two places of the block; False where it is another relocation."""
    offset, kind, add = relocation
    name, where, value = symbols[kind >> 32]
    target = jumps.get(name) if where == UNDEFINED else places[where] + value \
        if where in places else None
    if kind & 0xFFFFFFFF not in (DISTANCE, CALL) or target is None:
        return False
    struct.pack_into("<i", block, base + offset, target + add - base - offset)
    return True
