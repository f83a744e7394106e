"""MobileNetV2: inverted residuals and linear bottlenecks (arXiv:1801.04381)."""

from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum
from rushlight.vision.models._utils import _make_divisible
from rushlight.vision.ops.misc import Conv2dNormActivation

MobileNet_V2_Weights = weights_enum(
    "MobileNet_V2_Weights",
    {
        "IMAGENET1K_V1": "mobilenet_v2-b0353104.pth",
        "IMAGENET1K_V2": ("mobilenet_v2-7ebf99e0.pth", {"resize_size": 232}),
    },
    module=__name__,
)


class InvertedResidual(nn.Module):
    """Channels expanded by a 1x1, filtered one by one by a 3x3, and projected back by a 1x1.

    The input is added where size and channels allow it.

    Raises:
        ValueError: a stride other than 1 or 2.
    """

    def __init__(self, inp, oup, stride, expand_ratio, norm_layer=None):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        hidden = int(round(inp * expand_ratio))
        options = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, kernel_size=1, **options))
        layers.append(
            Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, **options)
        )
        layers.append(nn.Conv2d(hidden, oup, 1, 1, 0, bias=False))
        layers.append(norm_layer(oup))
        self.conv = nn.Sequential(*layers)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# expansion, channels, blocks, stride of the first
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(nn.Module):
    """A stem, 17 inverted residuals, a 1x1 convolution and one linear layer.

    Args:
        width_mult: factor of all channels, then rounded to multiples of `round_nearest`.
        inverted_residual_setting: rows of (expansion, channels, blocks, stride).

    Raises:
        ValueError: a setting that is empty or whose rows have not four numbers.
    """

    def __init__(
        self,
        num_classes=1000,
        width_mult=1.0,
        inverted_residual_setting=None,
        round_nearest=8,
        block=None,
        norm_layer=None,
        dropout=0.2,
    ):
        super().__init__()
        block = block or InvertedResidual
        norm_layer = norm_layer or nn.BatchNorm2d
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if len(stages) == 0 or len(stages[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {stages}"
            )
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        options = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        features: list[nn.Module] = [Conv2dNormActivation(3, channels, stride=2, **options)]
        for expansion, width, blocks, stride in stages:
            width = _make_divisible(width * width_mult, round_nearest)
            for index in range(blocks):
                first = stride if index == 0 else 1
                features.append(block(channels, width, first, expansion, norm_layer=norm_layer))
                channels = width
        features.append(
            Conv2dNormActivation(channels, self.last_channel, kernel_size=1, **options)
        )
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
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
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1)
        return self.classifier(x)


@register_model(MobileNet_V2_Weights)
def mobilenet_v2(**kwargs):
    """MobileNetV2: 3,504,872 parameters."""
    return MobileNetV2(**kwargs)
