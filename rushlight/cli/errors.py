"""Errors of the command line: one clear line and an exit code, never a traceback."""

from __future__ import annotations

import errno

USAGE = 2
FAILURE = 1


class CommandError(Exception):
    """A failure that the person at the terminal can act on; its text is the whole message.

    `exit_code` is 1 for something that went wrong and 2 for a wrong way of calling.

    Example:
        >>> raise CommandError("cannot read image cat.jpg: not an image")
    """

    exit_code = FAILURE

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))


class UsageProblem(CommandError):
    """A wrong option or argument: exit code 2."""

    exit_code = USAGE


def describe_os_error(error: OSError) -> str:
    """Return one line for an operating system error, naming the file and, for a full disk, that."""
    where = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no space left to write{where} ({error.strerror})"
    reason = error.strerror or str(error)
    return f"cannot use{where}: {reason}" if where else reason
