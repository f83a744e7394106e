"""A network from its two files, whatever format the weights are in, and from format to format."""

import os
import struct

import rushlight
from rushlight import safetensors
from rushlight.darknet.network import Darknet, plan_network, read_blocks
from rushlight.darknet.weights import WeightsError, WeightsHeader, check_size

__all__ = ["convert_weights", "load_network"]


def load_network(cfg, weights, cutoff=None):
    """The `Darknet` of a cfg file with its weights, in eval mode.

    The size of a Darknet weights file is checked before the network is built, so a cfg file cannot
    ask for more memory than its weights file has.

    Args:
        cfg: a path, or the name of a network that comes with the package. weights: a path ending in
            .safetensors, in .pt or .pth (a state_dict), or a Darknet weights file of any name.
        cutoff: of Darknet weights, read the first so many layers only.

    Raises:
        CfgError, WeightsError: naming the line or layer. RuntimeError: names or shapes of a
        state_dict that do not fit.

    Example:
        >>> model = load_network("yolov3-tiny", "yolov3-tiny.weights")
    """
    blocks = read_blocks(cfg)
    kind = _kind(weights)
    if kind == "darknet":
        check_size(plan_network(blocks), weights, cutoff)
        model = Darknet(blocks)
        model.load_weights(weights, cutoff)
        return model.eval()
    model = Darknet(blocks)
    if kind == "safetensors":
        with safetensors.safe_open(weights, framework="pt") as file:
            model.header = _header_from(file.metadata() or {}, os.path.basename(str(weights)))
        model.load_state_dict(safetensors.load_file(weights))
    else:
        model.load_state_dict(rushlight.load(weights, weights_only=True))
    return model.eval()


def convert_weights(cfg, source, target):
    """Write the weights of `source` as `target`; the suffixes say the formats.

    .safetensors (the header of a Darknet file goes into its metadata), .pt or .pth (a state_dict),
    and anything else is Darknet's. There and back gives the same bytes, but for .pt, which has no
    place for the counter of pictures.

    Example:
        >>> convert_weights("yolov3", "yolov3.weights", "yolov3.safetensors")
    """
    model = load_network(cfg, source)
    kind = _kind(target)
    if kind == "darknet":
        model.save_weights(target)
    elif kind == "safetensors":
        header = model.header or WeightsHeader()
        metadata = {f"darknet.{name}": str(int(value)) for name, value in header._asdict().items()}
        safetensors.save_file(dict(model.state_dict()), target, {"format": "pt", **metadata})
    else:
        rushlight.save(model.state_dict(), target)


def _kind(path):
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    return {".safetensors": "safetensors", ".pt": "torch", ".pth": "torch"}.get(suffix, "darknet")


def _header_from(metadata, name):
    """The header that `convert_weights` has put into the metadata, or None."""
    values = {}
    for field in WeightsHeader._fields:
        text = metadata.get(f"darknet.{field}")
        if text is None:
            return None
        if not text.removeprefix("-").isdigit() or len(text) > 20:
            raise WeightsError(f"{name}: darknet.{field}={text[:40]!r} is no whole number")
        values[field] = int(text)
    header = WeightsHeader(**{**values, "wide": bool(values["wide"])})
    try:
        header.to_bytes()
    except struct.error as error:
        raise WeightsError(f"{name}: the header in the metadata is out of range") from error
    return header
