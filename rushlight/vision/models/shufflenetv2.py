"""ShuffleNetV2: half of the channels pass through, then all are shuffled (arXiv:1807.11164)."""

import rushlight
from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum


def _enum(name, file, resize_size=None):
    return weights_enum(
        name, {"IMAGENET1K_V1": file}, resize_size=resize_size, module=__name__
    )


ShuffleNet_V2_X0_5_Weights = _enum(
    "ShuffleNet_V2_X0_5_Weights", "shufflenetv2_x0.5-f707e7126e.pth"
)
ShuffleNet_V2_X1_0_Weights = _enum("ShuffleNet_V2_X1_0_Weights", "shufflenetv2_x1-5666bf0f80.pth")
ShuffleNet_V2_X1_5_Weights = _enum(
    "ShuffleNet_V2_X1_5_Weights", "shufflenetv2_x1_5-3c479a10.pth", 232
)
ShuffleNet_V2_X2_0_Weights = _enum(
    "ShuffleNet_V2_X2_0_Weights", "shufflenetv2_x2_0-8be3c8ee.pth", 232
)


def channel_shuffle(x, groups):
    """Channels of `groups` equal runs interleaved: 0 1 2 3 in two groups becomes 0 2 1 3."""
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width)
    return x.transpose(1, 2).contiguous().view(batch, channels, height, width)


def _depthwise(channels, stride):
    return nn.Conv2d(
        channels, channels, 3, stride, padding=1, bias=False, groups=channels
    )


def _pointwise(inputs, outputs):
    return [
        nn.Conv2d(inputs, outputs, kernel_size=1, stride=1, padding=0, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class InvertedResidual(nn.Module):
    """One half of the channels as it is (at stride 1), the other through three convolutions.

    Raises:
        ValueError: a stride outside 1 to 3, or channels that do not fit.
    """

    def __init__(self, inp, oup, stride):
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        self.stride = stride
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If "
                "stride == 1 then inp should be equal to oup // 2 << 1."
            )
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                _depthwise(inp, stride), nn.BatchNorm2d(inp), *_pointwise(inp, half)
            )
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half),
            _depthwise(half, stride),
            nn.BatchNorm2d(half),
            *_pointwise(half, half),
        )

    def forward(self, x):
        if self.stride == 1:
            untouched, x = x.chunk(2, dim=1)
        else:
            untouched = self.branch1(x)
        return channel_shuffle(rushlight.cat((untouched, self.branch2(x)), dim=1), 2)


class ShuffleNetV2(nn.Module):
    """A stem, three stages, a 1x1 convolution and one linear layer.

    Raises:
        ValueError: not three numbers of repeats, or not five of channels.
    """

    def __init__(
        self,
        stages_repeats,
        stages_out_channels,
        num_classes=1000,
        inverted_residual=InvertedResidual,
    ):
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        channels = stages_out_channels[0]
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        for number, repeats, width in zip((2, 3, 4), stages_repeats, stages_out_channels[1:]):
            blocks = [inverted_residual(channels, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{number}", nn.Sequential(*blocks))
            channels = width
        last = stages_out_channels[-1]
        self.conv5 = nn.Sequential(
            nn.Conv2d(channels, last, 1, 1, 0, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(inplace=True),
        )
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x):
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _shufflenet(channels, **kwargs):
    return ShuffleNetV2([4, 8, 4], channels, **kwargs)


@register_model(ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(**kwargs):
    """ShuffleNetV2 at half width: 1,366,792 parameters."""
    return _shufflenet([24, 48, 96, 192, 1024], **kwargs)


@register_model(ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(**kwargs):
    """ShuffleNetV2: 2,278,604 parameters."""
    return _shufflenet([24, 116, 232, 464, 1024], **kwargs)


@register_model(ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(**kwargs):
    """ShuffleNetV2 at one and a half times the width: 3,503,624 parameters."""
    return _shufflenet([24, 176, 352, 704, 1024], **kwargs)


@register_model(ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(**kwargs):
    """ShuffleNetV2 at twice the width: 7,393,996 parameters."""
    return _shufflenet([24, 244, 488, 976, 2048], **kwargs)
