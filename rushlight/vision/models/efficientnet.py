"""EfficientNet (arXiv:1905.11946) and EfficientNetV2 (arXiv:2104.00298)."""

import math
from functools import partial

from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum
from rushlight.vision.models._utils import _make_divisible
from rushlight.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from rushlight.vision.ops.stochastic_depth import StochasticDepth
from rushlight.vision.transforms._modes import InterpolationMode


class _BlockConfig:
    """One row of the papers' tables: `num_layers` blocks, the first with the stride."""

    def __init__(self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers):
        self.expand_ratio = expand_ratio
        self.kernel = kernel
        self.stride = stride
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    @staticmethod
    def adjust_channels(channels, width_mult, min_value=None):
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_BlockConfig):
    """A row of `MBConv` blocks, channels times `width_mult` and layers times `depth_mult`."""

    def __init__(
        self,
        expand_ratio,
        kernel,
        stride,
        input_channels,
        out_channels,
        num_layers,
        width_mult=1.0,
        depth_mult=1.0,
        block=None,
    ):
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
        )
        self.block = block or MBConv

    @staticmethod
    def adjust_depth(num_layers, depth_mult):
        return int(math.ceil(num_layers * depth_mult))


class FusedMBConvConfig(_BlockConfig):
    """A row of `FusedMBConv` blocks."""

    def __init__(
        self,
        expand_ratio,
        kernel,
        stride,
        input_channels,
        out_channels,
        num_layers,
        block=None,
    ):
        super().__init__(
            expand_ratio, kernel, stride, input_channels, out_channels, num_layers
        )
        self.block = block or FusedMBConv


class _Residual(nn.Module):
    """What both kinds of block share: the layers in `block`, left out at random while training.

    Raises:
        ValueError: a stride other than 1 or 2.
    """

    def __init__(self, cnf, stochastic_depth_prob, layers):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input):
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Residual):
    """Expand by a 1x1, filter each channel, weigh the channels, project by a 1x1."""

    def __init__(self, cnf, stochastic_depth_prob, norm_layer, se_layer=SqueezeExcitation):
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        expanded = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if expanded != cnf.input_channels:
            layers.append(
                conv(cnf.input_channels, expanded, kernel_size=1, activation_layer=nn.SiLU)
            )
        layers.append(
            conv(
                expanded,
                expanded,
                kernel_size=cnf.kernel,
                stride=cnf.stride,
                groups=expanded,
                activation_layer=nn.SiLU,
            )
        )
        squeezed = max(1, cnf.input_channels // 4)
        layers.append(se_layer(expanded, squeezed, activation=partial(nn.SiLU, inplace=True)))
        layers.append(conv(expanded, cnf.out_channels, kernel_size=1, activation_layer=None))
        super().__init__(cnf, stochastic_depth_prob, layers)


class FusedMBConv(_Residual):
    """`MBConv` with its first two convolutions as one, and no weighing of channels."""

    def __init__(self, cnf, stochastic_depth_prob, norm_layer):
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        expanded = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        wide = partial(
            conv,
            cnf.input_channels,
            kernel_size=cnf.kernel,
            stride=cnf.stride,
            activation_layer=nn.SiLU,
        )
        if expanded == cnf.input_channels:
            layers: list[nn.Module] = [wide(cnf.out_channels)]
        else:
            layers: list[nn.Module] = [
                wide(expanded),
                conv(expanded, cnf.out_channels, kernel_size=1, activation_layer=None),
            ]
        super().__init__(cnf, stochastic_depth_prob, layers)


class EfficientNet(nn.Module):
    """A stem, the blocks of a setting, a 1x1 convolution and one linear layer.

    Args:
        inverted_residual_setting: rows of configurations.
        stochastic_depth_prob: of the last block; earlier ones less, in proportion.
        last_channel: of the last convolution; four times its input by default.

    Raises:
        ValueError: an empty setting. TypeError: one whose rows are not configurations.
    """

    def __init__(
        self,
        inverted_residual_setting,
        dropout,
        stochastic_depth_prob=0.2,
        num_classes=1000,
        norm_layer=None,
        last_channel=None,
    ):
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(setting, (list, tuple)) or not all(
            isinstance(row, _BlockConfig) for row in setting
        ):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        conv = partial(
            Conv2dNormActivation,
            norm_layer=norm_layer or nn.BatchNorm2d,
            activation_layer=nn.SiLU,
        )
        layers: list[nn.Module] = [conv(3, setting[0].input_channels, kernel_size=3, stride=2)]
        total = sum(row.num_layers for row in setting)
        position = 0
        for row in setting:
            stage = []
            for index in range(row.num_layers):
                config = row
                if index > 0:
                    config = _BlockConfig(
                        row.expand_ratio,
                        row.kernel,
                        1,
                        row.out_channels,
                        row.out_channels,
                        row.num_layers,
                    )
                probability = stochastic_depth_prob * float(position) / total
                stage.append(row.block(config, probability, norm_layer or nn.BatchNorm2d))
                position += 1
            layers.append(nn.Sequential(*stage))
        channels = setting[-1].out_channels
        last_channel = 4 * channels if last_channel is None else last_channel
        layers.append(conv(channels, last_channel, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(last_channel, num_classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# expansion, kernel, stride, channels in, out, layers
_B0 = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)

# The same for the second version: the fused rows, then the others.
_V2 = {
    "s": (
        ((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
        ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15)),
    ),
    "m": (
        ((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
        (
            (4, 3, 2, 80, 160, 7),
            (6, 3, 1, 160, 176, 14),
            (6, 3, 2, 176, 304, 18),
            (6, 3, 1, 304, 512, 5),
        ),
    ),
    "l": (
        ((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
        (
            (4, 3, 2, 96, 192, 10),
            (6, 3, 1, 192, 224, 19),
            (6, 3, 2, 224, 384, 25),
            (6, 3, 1, 384, 640, 7),
        ),
    ),
}


def _first_version(width_mult, depth_mult, dropout, kwargs):
    rows = [MBConvConfig(*row, width_mult=width_mult, depth_mult=depth_mult) for row in _B0]
    return EfficientNet(rows, kwargs.pop("dropout", dropout), **kwargs)


def _second_version(size, dropout, kwargs):
    fused, others = _V2[size]
    rows = [FusedMBConvConfig(*row) for row in fused] + [MBConvConfig(*row) for row in others]
    kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-3))
    return EfficientNet(
        rows, kwargs.pop("dropout", dropout), last_channel=1280, **kwargs
    )


def _enum(number, file, crop, resize, mode=InterpolationMode.BICUBIC, **more):
    return weights_enum(
        f"EfficientNet_{number}_Weights",
        {"IMAGENET1K_V1": file, **more},
        crop_size=crop,
        resize_size=resize,
        interpolation=mode,
        module=__name__,
    )


EfficientNet_B0_Weights = _enum("B0", "efficientnet_b0_rwightman-7f5810bc.pth", 224, 256)
EfficientNet_B1_Weights = _enum(
    "B1",
    "efficientnet_b1_rwightman-bac287d4.pth",
    240,
    256,
    IMAGENET1K_V2=(
        "efficientnet_b1-c27df63c.pth",
        {"resize_size": 255, "interpolation": InterpolationMode.BILINEAR},
    ),
)
EfficientNet_B2_Weights = _enum("B2", "efficientnet_b2_rwightman-c35c1473.pth", 288, 288)
EfficientNet_B3_Weights = _enum("B3", "efficientnet_b3_rwightman-b3899882.pth", 300, 320)
EfficientNet_B4_Weights = _enum("B4", "efficientnet_b4_rwightman-23ab8bcd.pth", 380, 384)
EfficientNet_B5_Weights = _enum("B5", "efficientnet_b5_lukemelas-1a07897c.pth", 456, 456)
EfficientNet_B6_Weights = _enum("B6", "efficientnet_b6_lukemelas-24a108a5.pth", 528, 528)
EfficientNet_B7_Weights = _enum("B7", "efficientnet_b7_lukemelas-c5b4e57e.pth", 600, 600)
EfficientNet_V2_S_Weights = _enum(
    "V2_S", "efficientnet_v2_s-dd5fe13b.pth", 384, 384, InterpolationMode.BILINEAR
)
EfficientNet_V2_M_Weights = _enum(
    "V2_M", "efficientnet_v2_m-dc08266a.pth", 480, 480, InterpolationMode.BILINEAR
)
EfficientNet_V2_L_Weights = weights_enum(
    "EfficientNet_V2_L_Weights",
    {"IMAGENET1K_V1": "efficientnet_v2_l-59c71312.pth"},
    crop_size=480,
    resize_size=480,
    interpolation=InterpolationMode.BICUBIC,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    module=__name__,
)


@register_model(EfficientNet_B0_Weights)
def efficientnet_b0(**kwargs):
    """EfficientNet B0: 5,288,548 parameters."""
    return _first_version(1.0, 1.0, 0.2, kwargs)


@register_model(EfficientNet_B1_Weights)
def efficientnet_b1(**kwargs):
    """EfficientNet B1: 7,794,184 parameters."""
    return _first_version(1.0, 1.1, 0.2, kwargs)


@register_model(EfficientNet_B2_Weights)
def efficientnet_b2(**kwargs):
    """EfficientNet B2: 9,109,994 parameters."""
    return _first_version(1.1, 1.2, 0.3, kwargs)


@register_model(EfficientNet_B3_Weights)
def efficientnet_b3(**kwargs):
    """EfficientNet B3: 12,233,232 parameters."""
    return _first_version(1.2, 1.4, 0.3, kwargs)


@register_model(EfficientNet_B4_Weights)
def efficientnet_b4(**kwargs):
    """EfficientNet B4: 19,341,616 parameters."""
    return _first_version(1.4, 1.8, 0.4, kwargs)


def _wide_norm(kwargs):
    kwargs.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=0.001, momentum=0.01))
    return kwargs


@register_model(EfficientNet_B5_Weights)
def efficientnet_b5(**kwargs):
    """EfficientNet B5: 30,389,784 parameters."""
    return _first_version(1.6, 2.2, 0.4, _wide_norm(kwargs))


@register_model(EfficientNet_B6_Weights)
def efficientnet_b6(**kwargs):
    """EfficientNet B6: 43,040,704 parameters."""
    return _first_version(1.8, 2.6, 0.5, _wide_norm(kwargs))


@register_model(EfficientNet_B7_Weights)
def efficientnet_b7(**kwargs):
    """EfficientNet B7: 66,347,960 parameters."""
    return _first_version(2.0, 3.1, 0.5, _wide_norm(kwargs))


@register_model(EfficientNet_V2_S_Weights)
def efficientnet_v2_s(**kwargs):
    """EfficientNetV2 small: 21,458,488 parameters."""
    return _second_version("s", 0.2, kwargs)


@register_model(EfficientNet_V2_M_Weights)
def efficientnet_v2_m(**kwargs):
    """EfficientNetV2 medium: 54,139,356 parameters."""
    return _second_version("m", 0.3, kwargs)


@register_model(EfficientNet_V2_L_Weights)
def efficientnet_v2_l(**kwargs):
    """EfficientNetV2 large: 118,515,272 parameters."""
    return _second_version("l", 0.4, kwargs)
