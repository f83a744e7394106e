"""Devices. This build computes on the CPU; other device types exist by name only."""

from __future__ import annotations

_TYPES = ("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
          "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone")


class device:  # noqa: N801
    """Where a tensor lives: ``device('cpu')``, ``device('cuda', 0)``, ``device('cuda:0')``.

    Raises RuntimeError for a string that is no device.
    """

    __slots__ = ("type", "index")

    def __init__(self, device, index=None):  # noqa: A002
        if type(device) is int:
            device, index = "cuda", device
        if isinstance(device, self.__class__):
            index = device.index if index is None else index
            device = device.type
        if not isinstance(device, str):
            raise TypeError(f"device(): argument 'type' must be str, not {type(device).__name__}")
        name, colon, number = device.partition(":")
        if not name.replace("_", "").isalpha() or not name.islower():
            raise RuntimeError(f"Invalid device string: '{device}'")
        if name not in _TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(dict.fromkeys(_TYPES))} device type at start of "
                f"device string: {device}")
        if colon:
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{device}'")
            if index is not None:
                raise RuntimeError("type (string) must not include an index because index was "
                                   f"passed explicitly: {device}")
            index = int(number)
        self.type = name
        self.index = index

    def __repr__(self):
        return f"device(type='{self.type}'" + (")" if self.index is None else
                                               f", index={self.index})")

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __reduce__(self):
        return (device, (self.type,) if self.index is None else (self.type, self.index))

    def __enter__(self):
        check_device(self)
        return self

    def __exit__(self, *_):
        return None


CPU = device("cpu")


def check_device(where) -> device:
    """The CPU device for ``None`` or a CPU device; a clear error for one that is not there."""
    if where is None or where is CPU:
        return CPU
    found = where if isinstance(where, device) else device(where)
    if found.type == "cpu":
        return CPU if found.index is None else found
    if found.type == "cuda":
        raise RuntimeError(
            "Found no NVIDIA driver on your system: rushlight has no CUDA backend in this build, "
            "so the tensor cannot be moved to " + repr(str(found)) + ". Use device='cpu', or "
            "choose with `'cuda' if torch.cuda.is_available() else 'cpu'`.")
    if found.type == "meta":
        raise NotImplementedError("rushlight has no 'meta' device yet")
    raise RuntimeError(f"rushlight has no backend for device '{found}'; use device='cpu'")
