"""Transforms with nothing random in them."""

from rushlight import Tensor, nn
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._arguments import is_sequence, pair_of_sides
from rushlight.vision.transforms._modes import InterpolationMode, as_interpolation_mode

TWO_SIDES = "Please provide only two dimensions (h, w) for size."


class ToTensor:
    """A PIL image or an array (H, W, C) as a float tensor (C, H, W) in [0, 1].

    See `functional.to_tensor` for the dtypes that keep their own scale.

    Example:
        >>> import numpy
        >>> ToTensor()(numpy.zeros((4, 5, 3), dtype=numpy.uint8)).shape
        torch.Size([3, 4, 5])
    """

    def __call__(self, pic):
        return F.to_tensor(pic)

    def __repr__(self):
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of its own bytes, not scaled."""

    def __call__(self, pic):
        return F.pil_to_tensor(pic)

    def __repr__(self):
        return f"{type(self).__name__}()"


class ToPILImage:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL image of `mode`, or of the obvious one."""

    def __init__(self, mode=None):
        self.mode = mode

    def __call__(self, pic):
        return F.to_pil_image(pic, self.mode)

    def __repr__(self):
        wish = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({wish})"


class ConvertImageDtype(nn.Module):
    """A tensor image with pixels of `dtype`, rescaled: 255 as a byte is 1.0 as a float."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, image):
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self):
        return f"{type(self).__name__}()"


class Normalize(nn.Module):
    """`(x - mean) / std` channel by channel, for float tensors (..., C, H, W).

    Example:
        >>> Normalize((0.5,), (0.5,))
        Normalize(mean=(0.5,), std=(0.5,))
    """

    def __init__(self, mean, std, inplace=False):
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor):
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self):
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class Resize(nn.Module):
    """Another size: `size` is (height, width), or one number for the shorter side.

    Raises:
        TypeError: `size` is neither a number nor a sequence. ValueError: more than two numbers.
    """

    def __init__(
        self, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True
    ):
        super().__init__()
        if not isinstance(size, int) and not is_sequence(size):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if not isinstance(size, int) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = as_interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img):
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self):
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(nn.Module):
    """The middle of a picture, with a border of zeros where it is smaller than `size`."""

    def __init__(self, size):
        super().__init__()
        self.size = pair_of_sides(size, TWO_SIDES)

    def forward(self, img):
        return F.center_crop(img, self.size)

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size})"


class Pad(nn.Module):
    """A border around a picture; see `functional.pad`.

    Raises:
        TypeError, ValueError: as `functional.pad`, already when the transform is made.
    """

    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        if isinstance(padding, str) or not (isinstance(padding, int) or is_sequence(padding)):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, (int, float, str, tuple, list)):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} "
                "element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img):
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self):
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class FiveCrop(nn.Module):
    """A tuple of the four corners and the middle of a picture."""

    def __init__(self, size):
        super().__init__()
        self.size = pair_of_sides(size, TWO_SIDES)

    def forward(self, img):
        return F.five_crop(img, self.size)

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(nn.Module):
    """`FiveCrop` of a picture and of its mirror image (upside down with `vertical_flip`)."""

    def __init__(self, size, vertical_flip=False):
        super().__init__()
        self.size = pair_of_sides(size, TWO_SIDES)
        self.vertical_flip = vertical_flip

    def forward(self, img):
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class Grayscale(nn.Module):
    """A picture in gray, with one channel or three equal ones."""

    def __init__(self, num_output_channels=1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img):
        return F.rgb_to_grayscale(img, num_output_channels=self.num_output_channels)

    def __repr__(self):
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class LinearTransformation(nn.Module):
    """`(flattened picture - mean_vector) @ transformation_matrix`, in the picture's shape.

    Shapes: matrix (D, D), mean (D,), pictures (..., C, H, W) with D = C * H * W.

    Raises:
        ValueError: shapes that do not fit, or tensors on different devices.
    """

    def __init__(self, transformation_matrix, mean_vector):
        super().__init__()
        rows, columns = shape = tuple(transformation_matrix.shape)
        if rows != columns:
            raise ValueError(
                f"transformation_matrix should be square. Got {shape} rectangular matrix."
            )
        if mean_vector.shape[0] != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of "
                f"the dimensions of the transformation_matrix [{shape}]"
            )
        if transformation_matrix.device != mean_vector.device:
            raise ValueError(
                "Input tensors should be on the same device. Got "
                f"{transformation_matrix.device} and {mean_vector.device}"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor):
        shape = tuple(tensor.shape)
        count = shape[-3] * shape[-2] * shape[-1]
        expected = self.transformation_matrix.shape[0]
        if count != expected:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{shape[-3]} x {shape[-2]} x {shape[-1]}] != {expected}"
            )
        if isinstance(tensor, Tensor) and tensor.device != self.mean_vector.device:
            raise ValueError(
                "Input tensor should be on the same device as transformation matrix and mean "
                f"vector. Got {tensor.device} vs {self.mean_vector.device}"
            )
        centred = tensor.view(-1, count) - self.mean_vector
        return centred.mm(self.transformation_matrix).view(shape)

    def __repr__(self):
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
