"""Batch normalisation (Ioffe and Szegedy 2015)."""

from rushlight.nn import functional as F
from rushlight.nn.modules._norm import _LazyNormBase, _NormBase, check_dimensions

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _BatchNorm(_NormBase):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel.

    In training mean and (biased) variance are the batch's, and the running ones move towards
    them by `momentum` (the running variance towards the unbiased one); with momentum None the
    running ones are plain averages over all batches. In eval the running ones are used, or the
    batch's where there are none.
    """

    def forward(self, input):
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            by_batch,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation over (N, C) or (N, C, L), for each channel C.

    y = (x - mean) / sqrt(var + eps) * weight + bias; see the tests of `train` and `eval` for the
    running statistics. Raises ValueError for other numbers of dimensions.
    """

    def _check_input_dim(self, input):
        check_dimensions(input, 2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation over (N, C, H, W), for each channel C; see `BatchNorm1d`."""

    def _check_input_dim(self, input):
        check_dimensions(input, 4)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation over (N, C, D, H, W), for each channel C; see `BatchNorm1d`."""

    def _check_input_dim(self, input):
        check_dimensions(input, 5)


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """A BatchNorm1d whose `num_features` is that of its first input."""

    cls_to_become = BatchNorm1d

    def _check_input_dim(self, input):
        check_dimensions(input, 2, 3)


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """A BatchNorm2d whose `num_features` is that of its first input."""

    cls_to_become = BatchNorm2d

    def _check_input_dim(self, input):
        check_dimensions(input, 4)


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """A BatchNorm3d whose `num_features` is that of its first input."""

    cls_to_become = BatchNorm3d

    def _check_input_dim(self, input):
        check_dimensions(input, 5)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over all processes of a group, and of any number of dimensions.

    There is one process, so it is `BatchNorm1d` to `BatchNorm3d` in one class.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """Return `module` with every batch norm in it replaced by a SyncBatchNorm."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                converted.weight = module.weight
                converted.bias = module.bias
            converted.running_mean = module.running_mean
            converted.running_var = module.running_var
            converted.num_batches_tracked = module.num_batches_tracked
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


