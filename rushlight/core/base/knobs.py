"""The one table of environment knobs, and the only reader of ``os.environ``."""

from __future__ import annotations

import os
from pathlib import Path

# name: (default, what it does)
KNOBS = {
    "RUSHLIGHT_DEBUG": ("0", "1: why each plan ran; 2: time per plan; 3: time and speed per "
                             "step; 4: the trace of each plan; 5: files with the kernels' LLVM "
                             "text; 6: and their assembly"),
    "RUSHLIGHT_JIT": ("1", "0: never compile; 1: compile what repeats; sync: compile at once"),
    "RUSHLIGHT_TUNE": ("0", "1: measure kernels that could serve, and remember the fastest"),
    "RUSHLIGHT_CPU": ("", "avx2, avx512: generate code as if the CPU had no more than that"),
    "RUSHLIGHT_TRACE_LIMIT": ("16384", "records after which a pending trace is run"),
    "RUSHLIGHT_HOME": ("", "where downloads and caches go; default ~/.cache/rushlight"),
}


def knob(name: str) -> str:
    """The value of a knob: the environment's, or its default."""
    return os.environ.get(name, KNOBS[name][0])


def number(name: str) -> int:
    """The value of a numeric knob; ValueError names it where it is no number."""
    text = knob(name)
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, got {text!r}") from None


def cache_folder() -> Path:
    """The folder of downloads and caches (it may not exist yet)."""
    home = knob("RUSHLIGHT_HOME")
    return Path(home) if home else Path.home() / ".cache" / "rushlight"
