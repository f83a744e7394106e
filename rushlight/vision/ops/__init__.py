"""Operators of vision models: boxes, suppression, region pooling, losses and common blocks.

Example:
    >>> import rushlight
    >>> from rushlight.vision import ops
    >>> boxes = rushlight.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]])
    >>> ops.box_iou(boxes, boxes)[0, 1].item()  # one of seven unit squares
    0.1428571492433548
"""

from rushlight.vision._suggest import lazy_attributes

# Not lazily: the function has its module's name, and has to win over it.
from rushlight.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth  # noqa: F401

_HOMES = {
    "boxes": (
        "batched_nms box_area box_convert box_iou clip_boxes_to_image complete_box_iou "
        "distance_box_iou generalized_box_iou masks_to_boxes nms remove_small_boxes"
    ),
    "misc": (
        "Conv2dNormActivation Conv3dNormActivation ConvNormActivation FrozenBatchNorm2d MLP "
        "Permute SqueezeExcitation"
    ),
    "drop_block": "DropBlock2d DropBlock3d drop_block2d drop_block3d",
    "losses": (
        "complete_box_iou_loss distance_box_iou_loss generalized_box_iou_loss sigmoid_focal_loss"
    ),
    "regions": "RoIAlign RoIPool roi_align roi_pool",
}

_TABLE = {name: home for home, names in _HOMES.items() for name in names.split()}
_TABLE.update((home, home) for home in _HOMES)

_MISSING = (
    "FeaturePyramidNetwork",
    "MultiScaleRoIAlign",
    "DeformConv2d",
    "deform_conv2d",
    "PSRoIAlign",
    "PSRoIPool",
    "ps_roi_align",
    "ps_roi_pool",
)

__getattr__, __dir__ = lazy_attributes(__name__, _TABLE, missing=_MISSING)
