"""Finding the user's line, for errors that teach."""

from __future__ import annotations

import os
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_own_files: set = set()     # of this package, as far as they have been seen


def user_frame(depth=1):
    """The innermost frame outside rushlight, or None."""
    frame = sys._getframe(depth)
    while frame is not None:
        name = frame.f_code.co_filename
        if name not in _own_files:
            if not name.startswith(PACKAGE):
                break
            _own_files.add(name)
        frame = frame.f_back
    return frame


def user_line(depth=1):
    """(file name, line number) of the innermost frame outside rushlight, or None."""
    frame = user_frame(depth + 1)
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def describe_line(line) -> str:
    """``file.py:12: the source text`` for a line found by `user_line`."""
    if line is None:
        return "an unknown line"
    import linecache
    text = linecache.getline(*line).strip()
    return f"{line[0]}:{line[1]}" + (f": {text}" if text else "")
