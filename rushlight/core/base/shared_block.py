"""Anonymous shared memory: a file without a name, known by its descriptor only.

The kernel frees it when the last descriptor and the last mapping are gone, however the processes
ended: nothing to unlink, nothing to leak, no tracker process. It does not count against the size
of /dev/shm, which containers keep small.
"""

from __future__ import annotations

import os
import sys

ALIGNMENT = 64

# Descriptors travel between processes over Unix sockets only.
available = sys.platform != "win32"


def _anonymous_file():
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rushlight", os.MFD_CLOEXEC)
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="rushlight-")
    os.unlink(path)
    return descriptor


def write_block(buffers):
    """A new block that holds copies of `buffers` (flat byte views), each aligned to 64 bytes.

    Returns (descriptor, total size, offsets). The caller closes the descriptor.
    """
    offsets, position = [], 0
    for buffer in buffers:
        offsets.append(position)
        position += -(-len(buffer) // ALIGNMENT) * ALIGNMENT
    size = max(position, 1)
    descriptor = _anonymous_file()
    try:
        os.ftruncate(descriptor, size)
        for buffer, offset in zip(buffers, offsets):
            remaining = memoryview(buffer)
            while len(remaining):
                written = os.pwrite(descriptor, remaining, offset)
                remaining, offset = remaining[written:], offset + written
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, size, offsets


def open_block(descriptor, size):
    """A writable view of the block behind `descriptor`, which is closed.

    The memory lives as long as the view or anything made from it.
    """
    import mmap  # where it is used: few programs share memory

    try:
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        return memoryview(mmap.mmap(descriptor, size, flags=flags))
    finally:
        os.close(descriptor)
