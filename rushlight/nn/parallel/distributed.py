"""The name of what needs several processes."""

from rushlight.nn.modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Training in several processes, which is not implemented: NotImplementedError."""

    def __init__(self, module, *args, **kwargs):
        raise NotImplementedError(
            "torch.nn.parallel.DistributedDataParallel is not implemented: there is one process"
        )
