"""LLVM's types as text: ``float``, ``<16 x i32>``, ``ptr``; their constants and suffixes."""

from __future__ import annotations

import struct

FLOATS = {"half", "bfloat", "float", "double"}
SCHEDULED = "; scheduled by hand\n"      # begins the text of a module with few passes


def vector(element: str, lanes: int) -> str:
    """The type of `lanes` elements: ``<16 x float>``; the element itself for one lane."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def element_type(kind: str) -> str:
    """``<16 x float>`` -> ``float``."""
    return kind[1:-1].split(" x ")[1] if kind[0] == "<" else kind


def lanes_of(kind: str) -> int:
    """``<16 x float>`` -> 16; 1 for a scalar type."""
    return int(kind[1:].split(" x ")[0]) if kind[0] == "<" else 1


def constant_text(kind: str, number) -> str:
    """A Python number as LLVM writes a constant of this type (splat for a vector)."""
    if kind[0] == "<":
        element = element_type(kind)
        return f"splat ({element} {constant_text(element, number)})"
    if kind in FLOATS:
        # A float constant is written as the 64 bits of the double of that value.
        number = float(number)
        if kind == "float":
            try:
                number = struct.unpack("f", struct.pack("f", number))[0]
            except OverflowError:
                number = float("inf") if number > 0 else float("-inf")
        if kind in ("half", "bfloat"):
            raise ValueError("write constants of 16-bit floats as float and convert")
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if kind == "i1":
        return "true" if number else "false"
    if kind == "ptr":
        return "null" if number == 0 else f"inttoptr (i64 {int(number)} to ptr)"
    return str(int(number))


_SUFFIX = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16", "ptr": "p0"}


def suffix(kind: str) -> str:
    """The part of an intrinsic's name that says its type: ``v16f32``."""
    element = element_type(kind)
    text = _SUFFIX.get(element, element)
    return text if kind[0] != "<" else f"v{lanes_of(kind)}{text}"


_BYTES = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8, "i1": 1}


def natural_alignment(kind: str) -> int:
    """The alignment of an element in bytes."""
    element = element_type(kind)
    return _BYTES.get(element) or max(1, int(element[1:]) // 8)
