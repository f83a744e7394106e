"""Conversions of the second generation."""

import warnings

import numpy

import rushlight
from rushlight import nn
from rushlight.vision._pillow import is_pillow_image
from rushlight.vision.transforms.v2 import functional
from rushlight.vision.transforms.v2._samples import Transform, change_picture


class ToImage(Transform):
    """A PIL image or an array (H, W, C) as a tensor (C, H, W), not scaled."""

    def forward(self, *inputs):
        def is_picture(value):
            return is_pillow_image(value) or isinstance(value, numpy.ndarray)

        return change_picture(inputs, functional.to_image, is_picture)


class ToDtype(Transform):
    """The picture's tensor as `dtype`, rescaled (255 is 1.0) if `scale`.

    Raises:
        NotImplementedError: `dtype` is a dictionary.
    """

    def __init__(self, dtype, scale=False):
        super().__init__()
        if isinstance(dtype, dict):
            raise NotImplementedError("ToDtype with a dtype for each kind is not implemented")
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt, params):
        return functional.to_dtype(inpt, self.dtype, self.scale)

    def extra_repr(self):
        return f"scale={self.scale}"


class ToPureTensor(Transform):
    """The picture itself: tensors are pure here already."""

    def transform(self, inpt, params):
        return inpt


class Identity(nn.Module):
    """The sample as it is."""

    def forward(self, *inputs):
        return inputs if len(inputs) > 1 else inputs[0]


class RGB(Transform):
    """Three channels, from one or three."""

    def transform(self, inpt, params):
        if is_pillow_image(inpt):
            return inpt.convert("RGB")
        if inpt.shape[-3] == 1:
            return inpt.expand(tuple(inpt.shape[:-3]) + (3,) + tuple(inpt.shape[-2:]))
        return inpt


class ToTensor(Transform):
    """Deprecated: `Compose([ToImage(), ToDtype(rushlight.float32, scale=True)])`."""

    def __init__(self):
        super().__init__()
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use "
            "`v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`."
            "Output is equivalent up to float precision.",
            stacklevel=2,
        )

    def forward(self, *inputs):
        def is_picture(value):
            return is_pillow_image(value) or isinstance(value, numpy.ndarray)

        def convert(value):
            if isinstance(value, rushlight.Tensor):
                return value
            return functional.to_tensor(value)

        return change_picture(inputs, convert, is_picture)
