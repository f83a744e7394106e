"""Moving a module to another dtype or device: `to`, `half`, `cuda`, `to_empty` and the like."""

from typing import TYPE_CHECKING, Any

import rushlight

__all__ = []


def parse_to(args, kwargs):
    """Read the arguments of `to`: return (device, dtype, non_blocking, memory_format).

    The forms are to(device, dtype, non_blocking), to(dtype, non_blocking), to(tensor,
    non_blocking) and to(memory_format=...), with any of the names given as keywords.
    """
    device = dtype = None
    rest = list(args)
    if rest and isinstance(rest[0], rushlight.Tensor):
        other = rest.pop(0)
        device, dtype = other.device, other.dtype
    elif rest and isinstance(rest[0], rushlight.dtype):
        dtype = rest.pop(0)
    elif rest:
        device = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], rushlight.dtype)):
            dtype = rest.pop(0)
    other = kwargs.pop("other", None)
    if other is not None:
        device, dtype = other.device, other.dtype
    device = kwargs.pop("device", device)
    dtype = kwargs.pop("dtype", dtype)
    non_blocking = kwargs.pop("non_blocking", rest.pop(0) if rest else False)
    kwargs.pop("copy", None)
    memory_format = kwargs.pop("memory_format", None)
    if rest or kwargs:
        got = ", ".join([type(a).__name__ for a in args] + [f"{k}=..." for k in kwargs])
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({got}), but expected one "
            "of:\n * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = "
            "False, *, torch.memory_format memory_format = None)\n * (torch.dtype dtype, bool "
            "non_blocking = False, *, torch.memory_format memory_format = None)\n * (Tensor "
            "tensor, bool non_blocking = False, *, torch.memory_format memory_format = None)"
        )
    if device is not None:
        device = rushlight.device(device)
    return device, dtype, non_blocking, memory_format


def _is_inexact(tensor):
    return tensor.is_floating_point() or tensor.is_complex()


class _ModuleConversion:
    """The methods of `Module` that replace every tensor it holds by a converted one."""

    if TYPE_CHECKING:  # what Module defines
        def __getattr__(self, name: str) -> Any: ...

    def _apply(self, fn, recurse=True):
        """Replace each parameter's data, each gradient's and each buffer by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with rushlight.no_grad():
                parameter.data = fn(parameter)
                gradient = parameter.grad
                if gradient is not None:
                    gradient.data = fn(gradient)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Move to a device and, where floating point or complex, cast to a dtype, in place.

        >>> network.to("cpu", rushlight.float64)

        Raises TypeError for an integer dtype.
        """
        device, dtype, non_blocking, memory_format = parse_to(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            import warnings

            warnings.warn(
                "Complex modules are a new feature under active development whose design may "
                "change, and some modules might not work as expected when using complex tensors "
                "as parameters or buffers. Please file an issue at https://github.com/pytorch/"
                "pytorch/issues/new?template=bug-report.yml if a complex module does not work as "
                "expected.",
                stacklevel=2,
            )

        def convert(tensor):
            target = dtype if _is_inexact(tensor) else None
            if memory_format is not None and tensor.dim() in (4, 5):
                return tensor.to(device, target, non_blocking, memory_format=memory_format)
            return tensor.to(device, target, non_blocking)

        return self._apply(convert)

    def to_empty(self, *, device, recurse=True):
        """Move to a device without copying: the tensors' values are undefined afterwards."""
        return self._apply(lambda t: rushlight.empty_like(t, device=device), recurse=recurse)

    def _cast(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        """Cast floating point parameters and buffers to float32."""
        return self._cast(rushlight.float32)

    def double(self):
        """Cast floating point parameters and buffers to float64."""
        return self._cast(rushlight.float64)

    def half(self):
        """Cast floating point parameters and buffers to float16."""
        return self._cast(rushlight.float16)

    def bfloat16(self):
        """Cast floating point parameters and buffers to bfloat16."""
        return self._cast(rushlight.bfloat16)

    def type(self, dst_type):
        """Cast every parameter and buffer to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self):
        """Move every parameter and buffer to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """Move every parameter and buffer to the GPU."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device=None):
        """Move every parameter and buffer to the XPU."""
        return self._apply(lambda t: t.to("xpu" if device is None else device))

    def mtia(self, device=None):
        """Move every parameter and buffer to the MTIA."""
        return self._apply(lambda t: t.to("mtia" if device is None else device))

    def ipu(self, device=None):
        """Move every parameter and buffer to the IPU."""
        return self._apply(lambda t: t.to("ipu" if device is None else device))

    def share_memory(self):
        """Move every parameter and buffer to memory that other processes can map."""
        return self._apply(lambda t: t.share_memory_())
