"""`DataParallel` on the one device there is."""

from rushlight.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Splits each batch over several devices. There is one device here, so it runs `module`.

    The wrapped module is `.module`, and the keys of the state_dict start with "module.".

    >>> net = nn.DataParallel(net)
    >>> net(images)
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise NotImplementedError(
                "torch.nn.DataParallel over several devices is not implemented: "
                f"got device_ids={device_ids}"
            )
        self.module = module
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(
    module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None
):
    """Call `module` on a tensor or a tuple of them, as `DataParallel` would."""
    wrapped = DataParallel(module, device_ids, output_device, dim)
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    return wrapped(*inputs, **(module_kwargs or {}))
