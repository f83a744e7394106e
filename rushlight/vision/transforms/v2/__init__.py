"""The second generation of transforms, for one picture in a sample of any structure.

`transform(picture)`, `transform(picture, label)`, `transform({"image": picture, "label": 3})` all
work: the picture is changed and everything else is handed on. The picture is the PIL image in the
sample, or else its first tensor. Boxes, masks and videos are not implemented.

Example:
    >>> import rushlight
    >>> from rushlight.vision.transforms import v2
    >>> prepare = v2.Compose([v2.CenterCrop(4), v2.ToDtype(rushlight.float32, scale=True)])
    >>> picture, label = prepare(rushlight.zeros(3, 8, 8, dtype=rushlight.uint8), 7)
    >>> picture.shape, label
    (torch.Size([3, 4, 4]), 7)
"""

from rushlight.vision._suggest import missing_attribute
from rushlight.vision.transforms import transforms as first_generation
from rushlight.vision.transforms._modes import InterpolationMode
from rushlight.vision.transforms.v2 import functional
from rushlight.vision.transforms.v2._containers import (
    Compose,
    RandomApply,
    RandomChoice,
    RandomOrder,
)
from rushlight.vision.transforms.v2._conversion import (
    RGB,
    Identity,
    ToDtype,
    ToImage,
    ToPureTensor,
    ToTensor,
)
from rushlight.vision.transforms.v2._samples import Transform, lifted

# These draw and do the same as in the first generation.
_SAME_AS_FIRST = (
    "CenterCrop ColorJitter ConvertImageDtype ElasticTransform FiveCrop GaussianBlur Grayscale "
    "LinearTransformation Normalize PILToTensor Pad RandomAdjustSharpness RandomAffine "
    "RandomAutocontrast RandomCrop RandomEqualize RandomErasing RandomGrayscale "
    "RandomHorizontalFlip RandomInvert RandomPerspective RandomPosterize RandomResizedCrop "
    "RandomRotation RandomSolarize RandomVerticalFlip Resize TenCrop ToPILImage"
).split()

for _name in _SAME_AS_FIRST:
    globals()[_name] = lifted(getattr(first_generation, _name), __name__)

_MISSING = (
    "AugMix AutoAugment AutoAugmentPolicy ClampBoundingBoxes ClampKeyPoints "
    "ConvertBoundingBoxFormat CutMix GaussianNoise JPEG Lambda MixUp RandAugment "
    "RandomChannelPermutation RandomIoUCrop RandomPhotometricDistort RandomResize "
    "RandomShortestSize RandomZoomOut SanitizeBoundingBoxes SanitizeKeyPoints ScaleJitter "
    "SetClampingMode TrivialAugmentWide UniformTemporalSubsample check_type get_bounding_boxes "
    "get_keypoints has_all has_any query_chw query_size"
).split()

__all__ = [
    "Compose",
    "Identity",
    "InterpolationMode",
    "RGB",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
    "ToDtype",
    "ToImage",
    "ToPureTensor",
    "ToTensor",
    "Transform",
    "functional",
]
__all__ += _SAME_AS_FIRST


def __getattr__(name):
    if name in _MISSING:
        raise NotImplementedError(f"{__name__}.{name} is not implemented yet")
    raise missing_attribute(__name__, name, __all__)
