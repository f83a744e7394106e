"""Files that are either whole or not there: every write goes to a neighbour and is then renamed."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` so that a crash at any moment leaves the old file or the new one.

    Raises OSError, naming `path`, when the disk is full; the half-written neighbour is removed.

    Example:
        >>> write_bytes_atomically(Path("run/summary.json"), b"{}")
    """
    path = Path(path)
    handle, neighbour = -1, None
    try:
        handle, neighbour = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(neighbour, 0o666 & ~_file_mask())
        os.replace(neighbour, path)
    except OSError as error:
        _remove_quietly(neighbour)
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        _remove_quietly(neighbour)
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with `write_bytes_atomically`."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_json_atomically(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with `write_bytes_atomically`."""
    write_text_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_json_line(path: Path, row: dict) -> None:
    """Append one row to a `.jsonl` file and push it to the disk."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _file_mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _remove_quietly(path: str | None) -> None:
    if path is not None:
        try:
            os.unlink(path)
        except OSError:
            pass
