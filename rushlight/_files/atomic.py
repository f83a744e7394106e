"""Writing a file so that it is either the old one or the new one, whatever happens in between."""

import contextlib
import os
import stat
import tempfile


def _is_replaceable(path):
    """True unless `path` is a device, pipe or socket, which can only be written to directly."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path} is a directory, not a file that can be written")
    return stat.S_ISREG(mode)


def _new_file_mode(path):
    """The permissions the file has, or those that `open` would give a new one."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_folder(folder):
    """Make the rename itself durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def atomic_write(path):
    """Yield a binary file that takes the place of `path` when the block ends without an error.

    The bytes go to a temporary file in the same folder, are forced to the disk, and the file is
    renamed; on any error it is removed and the old file stays as it was. A symbolic link keeps
    pointing to the same file, whose permissions are kept.

    Example::

        with atomic_write("weights.pt") as file:
            file.write(data)
    """
    path = os.path.realpath(os.fspath(path))
    if not _is_replaceable(path):
        with open(path, "wb") as file:
            yield file
        return
    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:64]}.", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _new_file_mode(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)
