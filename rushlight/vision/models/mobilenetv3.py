"""MobileNetV3 (arXiv:1905.02244)."""

from functools import partial

from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum
from rushlight.vision.models._utils import _make_divisible
from rushlight.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

MobileNet_V3_Large_Weights = weights_enum(
    "MobileNet_V3_Large_Weights",
    {
        "IMAGENET1K_V1": "mobilenet_v3_large-8738ca79.pth",
        "IMAGENET1K_V2": ("mobilenet_v3_large-5c1a4163.pth", {"resize_size": 232}),
    },
    module=__name__,
)
MobileNet_V3_Small_Weights = weights_enum(
    "MobileNet_V3_Small_Weights",
    {"IMAGENET1K_V1": "mobilenet_v3_small-047dcff4.pth"},
    module=__name__,
)


class InvertedResidualConfig:
    """One row of the paper's table, with channels times `width_mult`.

    `activation` is "HS" (hard swish) or "RE" (ReLU).
    """

    def __init__(
        self,
        input_channels,
        kernel,
        expanded_channels,
        out_channels,
        use_se,
        activation,
        stride,
        dilation,
        width_mult,
    ):
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels, width_mult):
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, weigh the channels, project; the input added where it fits.

    Raises:
        ValueError: a stride other than 1 or 2.
    """

    def __init__(self, cnf, norm_layer, se_layer=None):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        se_layer = se_layer or partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        expanded = cnf.expanded_channels
        layers = []
        if expanded != cnf.input_channels:
            layers.append(
                Conv2dNormActivation(
                    cnf.input_channels,
                    expanded,
                    kernel_size=1,
                    norm_layer=norm_layer,
                    activation_layer=activation,
                )
            )
        layers.append(
            Conv2dNormActivation(
                expanded,
                expanded,
                kernel_size=cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=expanded,
                norm_layer=norm_layer,
                activation_layer=activation,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(expanded, _make_divisible(expanded // 4, 8)))
        layers.append(
            Conv2dNormActivation(
                expanded,
                cnf.out_channels,
                kernel_size=1,
                norm_layer=norm_layer,
                activation_layer=None,
            )
        )
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input):
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """A stem, the blocks of a setting, a 1x1 convolution and two linear layers.

    Raises:
        ValueError: an empty setting. TypeError: one whose rows are not `InvertedResidualConfig`.
    """

    def __init__(
        self,
        inverted_residual_setting,
        last_channel,
        num_classes=1000,
        block=None,
        norm_layer=None,
        dropout=0.2,
        **kwargs,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(inverted_residual_setting, (list, tuple)) or not all(
            isinstance(row, InvertedResidualConfig) for row in inverted_residual_setting
        ):
            raise TypeError(
                "The inverted_residual_setting should be List[InvertedResidualConfig]"
            )
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        options = {"norm_layer": norm_layer, "activation_layer": nn.Hardswish}
        first = inverted_residual_setting[0].input_channels
        last = inverted_residual_setting[-1].out_channels
        layers = [Conv2dNormActivation(3, first, kernel_size=3, stride=2, **options)]
        layers += [block(row, norm_layer) for row in inverted_residual_setting]
        layers.append(Conv2dNormActivation(last, 6 * last, kernel_size=1, **options))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
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
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Channels in, kernel, expanded, out, squeeze-excitation, activation, stride. The rows marked * are
# those whose channels `reduced_tail` halves and which `dilated` dilates.
_LARGE = """
16 3 16 16 - RE 1
16 3 64 24 - RE 2
24 3 72 24 - RE 1
24 5 72 40 SE RE 2
40 5 120 40 SE RE 1
40 5 120 40 SE RE 1
40 3 240 80 - HS 2
80 3 200 80 - HS 1
80 3 184 80 - HS 1
80 3 184 80 - HS 1
80 3 480 112 SE HS 1
112 3 672 112 SE HS 1
112 5 672 160* SE HS 2*
160* 5 960* 160* SE HS 1*
160* 5 960* 160* SE HS 1*
"""
_SMALL = """
16 3 16 16 SE RE 2
16 3 72 24 - RE 2
24 3 88 24 - RE 1
24 5 96 40 SE HS 2
40 5 240 40 SE HS 1
40 5 240 40 SE HS 1
40 5 120 48 SE HS 1
48 5 144 48 SE HS 1
48 5 288 96* SE HS 2*
96* 5 576* 96* SE HS 1*
96* 5 576* 96* SE HS 1*
"""


def _setting(table, width_mult=1.0, reduced_tail=False, dilated=False):
    """The rows of `table` as configurations."""
    divisor = 2 if reduced_tail else 1
    rows = []
    for line in table.strip().splitlines():
        words = line.split()

        def channels(word):
            return int(word[:-1]) // divisor if word.endswith("*") else int(word)

        inputs, kernel, expanded, outputs, squeeze, activation, stride = words
        rows.append(
            InvertedResidualConfig(
                channels(inputs),
                int(kernel),
                channels(expanded),
                channels(outputs),
                squeeze == "SE",
                activation,
                int(stride.rstrip("*")),
                2 if dilated and stride.endswith("*") else 1,
                width_mult,
            )
        )
    return rows


def _mobilenet_v3(table, last, kwargs):
    width = kwargs.get("width_mult", 1.0)
    reduced = kwargs.pop("reduced_tail", False)
    rows = _setting(table, kwargs.pop("width_mult", 1.0), reduced, kwargs.pop("dilated", False))
    last = InvertedResidualConfig.adjust_channels(last // (2 if reduced else 1), width)
    return MobileNetV3(rows, last, **kwargs)


@register_model(MobileNet_V3_Large_Weights)
def mobilenet_v3_large(**kwargs):
    """MobileNetV3 large: 5,483,032 parameters."""
    return _mobilenet_v3(_LARGE, 1280, kwargs)


@register_model(MobileNet_V3_Small_Weights)
def mobilenet_v3_small(**kwargs):
    """MobileNetV3 small: 2,542,856 parameters."""
    return _mobilenet_v3(_SMALL, 1024, kwargs)
