"""Darknet's `.weights` files: a header, then float32 numbers, layer after layer, nothing else.

    major, minor, revision    int32 each, little endian
    seen                      pictures trained: uint64 from version 0.2 on, uint32 before
    the rest                  float32: for a convolution its biases (or the batch normalisation's
                              bias, weight, running mean, running variance), then its kernels

The file does not say what network it is for. So its size is held against the network's before a
byte is read or the network is built, every value is looked at before the first is used, and errors
name the layer and its line in the cfg file.

Source: load_weights_upto and save_weights_upto in src/parser.c of Darknet.
"""

import os
import struct
from typing import NamedTuple

import numpy as np

import rushlight
from rushlight._files.atomic import atomic_write

__all__ = ["WeightsError", "WeightsHeader", "check_size", "load_weights", "save_weights"]

_VERSION = struct.Struct("<iii")


class WeightsError(ValueError):
    """A weights file that does not fit the network or holds what no network can use."""


class WeightsHeader(NamedTuple):
    """The head of a weights file. `seen` counts the pictures that the network was trained on.

    `wide` says that `seen` has eight bytes. `transposed`: the matrices of connected layers are
    stored (inputs, outputs), which a version above 1000 means.
    """

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0
    wide: bool = True

    @property
    def transposed(self):
        return self.major > 1000 or self.minor > 1000

    @property
    def size(self):
        """Bytes of the header."""
        return _VERSION.size + (8 if self.wide else 4)

    def to_bytes(self):
        version = _VERSION.pack(self.major, self.minor, self.revision)
        return version + struct.pack("<Q" if self.wide else "<I", self.seen)


def _read_header(file, name, total, floats):
    """The header of an open file of `total` bytes for a network of so many floats."""
    start = file.read(_VERSION.size + 8)
    if total < _VERSION.size + 4:
        raise WeightsError(f"{name}: {total} bytes are not even a header (16 bytes, or 20)")
    major, minor, revision = _VERSION.unpack_from(start)
    wide = major * 10 + minor >= 2
    if major > 1000 or minor > 1000:
        # Files of this kind come with both widths; the size tells which.
        wide = total - 20 == 4 * floats
    if wide and total < _VERSION.size + 8:
        raise WeightsError(f"{name}: {total} bytes, and a header of version {major}.{minor} has 20")
    (seen,) = struct.unpack_from("<Q" if wide else "<I", start, _VERSION.size)
    return WeightsHeader(major, minor, revision, seen, wide)


def _where(layer, slot=None):
    block = layer.block
    text = f"layer {layer.index}, [{block['type']}] in line {block.line} of {block.file}"
    return f"{text}: {slot.name}" if slot else text


def _slots(layers):
    """(layer, slot) for all weights of a file, in its order."""
    return [(layer, slot) for layer in layers if layer.floats for slot in layer.slots]


def _check_floats(layers, available, name, cutoff):
    """Raise WeightsError unless `available` floats are those of `layers`."""
    done = 0
    for layer, slot in _slots(layers):
        if done + slot.count <= available:
            done += slot.count
            continue
        text = (
            f"{name}: ends early: {_where(layer, slot)} needs {slot.count} floats and "
            f"{available - done} are left"
        )
        before = sum(each.floats for each in layers[: layer.index])
        if before == available and before:
            text += f"; it ends exactly before layer {layer.index}: cutoff={layer.index} reads that"
        raise WeightsError(text)
    if done < available and cutoff is None:
        last = [layer for layer in layers if layer.floats]
        behind = _where(last[-1]) if last else "a network without weights"
        raise WeightsError(f"{name}: {available - done} floats are left behind {behind}")


def check_size(layers, path, cutoff=None):
    """Check the size of a weights file against `plan_network`'s layers; return its header.

    Args:
        layers: what `plan_network` gave. path: the file.
        cutoff: only the first so many layers count, and the file may go on behind them.

    Raises:
        WeightsError: the file ends early (the text names the layer), has floats left, or no header.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return _check_open_file(layers, file, os.path.basename(os.fspath(path)), cutoff)


def _check_open_file(layers, file, name, cutoff):
    total = os.fstat(file.fileno()).st_size
    layers = layers[:cutoff]
    header = _read_header(file, name, total, sum(layer.floats for layer in layers))
    available, rest = divmod(total - header.size, 4)
    if rest and cutoff is None:
        raise WeightsError(f"{name}: {total} bytes: the last {rest} are no whole float")
    _check_floats(layers, available, name, cutoff)
    return header


def _turned(slot, header):
    """Whether the file holds this slot's matrix the other way round."""
    return slot.transposed == "always" or (slot.transposed == "by header" and header.transposed)


def load_weights(model, path, cutoff=None):
    """Read a weights file into `model` (a `Darknet`); set and return `model.header`.

    Args:
        path: the file. cutoff: read the first so many layers only, as for darknet53.conv.74
            (cutoff=75), a backbone to train from; what the file has behind them is ignored.

    Raises:
        WeightsError: the size does not fit, a value is not finite, or a variance is negative; the
            text names the layer. The model is unchanged then.
        RuntimeError: the model's batch normalisation has been folded.
    """
    _need_unfolded(model)
    name = os.path.basename(os.fspath(path))
    with open(path, "rb") as file:
        header = _check_open_file(model.layers, file, name, cutoff)
        layers = model.layers[:cutoff]
        count = sum(layer.floats for layer in layers)
        file.seek(header.size)
        values = np.fromfile(file, "<f4", count)
    if len(values) != count:
        raise WeightsError(f"{name}: changed while it was read")
    start = 0
    found = []
    for layer, slot in _slots(layers):
        part = values[start : start + slot.count]
        start += slot.count
        _check_values(part, layer, slot, name)
        if _turned(slot, header):
            part = part.reshape(-1, slot.shape[0]).T
        found.append((_target(model, layer, slot), part.reshape(slot.shape)))
    with rushlight.no_grad():
        for target, part in found:
            target.copy_(rushlight.tensor(part))
    model.header = header
    return header


def _check_values(part, layer, slot, name):
    finite = np.isfinite(part)
    if not finite.all():
        first = int(np.argmin(finite))
        raise WeightsError(
            f"{name}: {_where(layer, slot)}: {int((~finite).sum())} of {len(part)} values are not "
            f"finite, the first is number {first}: {part[first]}"
        )
    if slot.name.endswith("running_var") and (part < 0).any():
        first = int(np.argmax(part < 0))
        raise WeightsError(
            f"{name}: {_where(layer, slot)}: a variance is negative, number {first}: {part[first]}"
        )


def _target(model, layer, slot):
    found = model.module_list[layer.index]
    for part in slot.name.split("."):
        found = getattr(found, part)
    return found


def _need_unfolded(model):
    if model.folded:
        raise RuntimeError(
            "batch normalisation is folded into the weights, and a weights file holds both: build "
            "the network anew"
        )


def save_weights(model, path, cutoff=None, header=None):
    """Write `model` as a weights file; one that was read comes out byte for byte.

    Args:
        path: the file, replaced when it is complete. cutoff: write the first so many layers only.
        header: a `WeightsHeader`; by default that of the file that was read, or version 0.2.5.

    Raises:
        RuntimeError: the model's batch normalisation has been folded.
        OSError: the file cannot be written.
    """
    _need_unfolded(model)
    header = header or model.header or WeightsHeader()
    with atomic_write(path) as file:
        file.write(header.to_bytes())
        for layer, slot in _slots(model.layers[:cutoff]):
            values = _target(model, layer, slot).detach().cpu().numpy()
            if _turned(slot, header):
                values = values.reshape(slot.shape[0], -1).T
            file.write(np.ascontiguousarray(values, "<f4").tobytes())
