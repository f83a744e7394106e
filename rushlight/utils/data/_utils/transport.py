"""How a batch travels from a worker to the loop.

A message is one pickle. The memory of tensors and NumPy arrays stays outside it (pickle protocol
5): all of it goes into one anonymous shared block, whose descriptor is handed over on the same
socket, or, when it is little, after the pickle. The receiver's tensors lie in the block, which is
freed with the last of them. A process killed at any point leaves nothing behind.
"""

from __future__ import annotations

import io
import os
import pickle
from multiprocessing import reduction

from rushlight.core.tensor.tensor import Parameter, Tensor
from rushlight.multiprocessing.reductions import reduce_tensor, shared_block

# Up to here the bytes are cheaper to copy through the socket than to map.
_INLINE = 1 << 14


class _Pickler(reduction.ForkingPickler):
    def reducer_override(self, value):
        if type(value) is Tensor or type(value) is Parameter:
            return reduce_tensor(value, by_value=True)
        return NotImplemented


def send(connection, value):
    """Send `value`. Raises what pickling it raises, before anything is sent."""
    buffers = []
    stream = io.BytesIO()
    _Pickler(stream, 5, True, buffers.append).dump(value)
    views = [buffer.raw() for buffer in buffers]
    total = sum(len(view) for view in views)
    if total <= _INLINE or not shared_block.available:
        parts = [bytes(view) for view in views]
        connection.send_bytes(pickle.dumps((stream.getvalue(), parts, None), 5))
        return
    descriptor, size, offsets = shared_block.write_block(views)
    try:
        ranges = [(offset, len(view)) for offset, view in zip(offsets, views)]
        connection.send_bytes(pickle.dumps((stream.getvalue(), ranges, size), 5))
        reduction.send_handle(connection, descriptor, None)
    finally:
        os.close(descriptor)


def receive(connection):
    """The next value. EOFError or OSError when the other side is gone."""
    content, parts, size = pickle.loads(connection.recv_bytes())
    if size is None:
        # bytearray: what is rebuilt from it can be written to.
        buffers = [bytearray(part) for part in parts]
    else:
        try:
            descriptor = reduction.recv_handle(connection)
        except RuntimeError:
            raise EOFError from None  # cut off between the message and its block
        view = shared_block.open_block(descriptor, size)
        buffers = [view[offset : offset + length] for offset, length in parts]
    return pickle.loads(content, buffers=buffers)
