"""GoogLeNet, with batch norm (arXiv:1409.4842)."""

import warnings
from collections import namedtuple
from typing import Any

import rushlight
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.vision.models._api import register_model, weights_enum

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "GoogLeNet_Weights", "googlenet"]

GoogLeNet_Weights = weights_enum(
    "GoogLeNet_Weights", {"IMAGENET1K_V1": "googlenet-1378be20.pth"}, module=__name__
)

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])


class BasicConv2d(nn.Module):
    """Convolution without bias, batch norm (eps 0.001), ReLU."""

    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """1x1, 1x1 then 3x3, 1x1 then 3x3 (in place of the paper's 5x5), pooling then 1x1; joined."""

    def __init__(
        self,
        in_channels,
        ch1x1,
        ch3x3red,
        ch3x3,
        ch5x5red,
        ch5x5,
        pool_proj,
        conv_block=None,
    ):
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x):
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return rushlight.cat([branch(x) for branch in branches], 1)


class InceptionAux(nn.Module):
    """The classifier on the side that helps the lower layers learn."""

    def __init__(self, in_channels, num_classes, conv_block=None, dropout=0.7):
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x):
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


# name: channels in, then as in `Inception`
_BLOCKS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """A stem, nine `Inception` blocks and one linear layer.

    Args:
        aux_logits: also build the two side classifiers; while training, the result is then a
            `GoogLeNetOutputs`.
        transform_input: take pictures normalised with ImageNet's mean and deviation.
        init_weights: draw truncated normal weights (slow); asked for by default, with a warning.

    Raises:
        ValueError: `blocks` that are not three classes.
    """

    def __init__(
        self,
        num_classes=1000,
        aux_logits=True,
        transform_input=False,
        init_weights=None,
        blocks=None,
        dropout=0.2,
        dropout_aux=0.7,
    ):
        super().__init__()
        conv, inception, aux = blocks = blocks or [BasicConv2d, Inception, InceptionAux]
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of GoogleNet will be changed in future "
                "releases of torchvision. If you wish to keep the old behavior (which leads to "
                "long initialization times due to scipy/scipy#11299), please set "
                "init_weights=True.",
                FutureWarning,
                stacklevel=2,
            )
            init_weights = True
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(*_BLOCKS["3a"])
        self.inception3b = inception(*_BLOCKS["3b"])
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name in ("4a", "4b", "4c", "4d", "4e"):
            setattr(self, f"inception{name}", inception(*_BLOCKS[name]))
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(*_BLOCKS["5a"])
        self.inception5b = inception(*_BLOCKS["5b"])
        self.aux1: Any = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2: Any = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)
                elif isinstance(module, nn.BatchNorm2d):
                    nn.init.constant_(module.weight, 1)
                    nn.init.constant_(module.bias, 0)

    def _normalised_for_tensorflow(self, x):
        """From ImageNet's mean and deviation to a mean and deviation of one half."""
        channels = []
        for i, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
            channels.append(x[:, i : i + 1] * (std / 0.5) + (mean - 0.5) / 0.5)
        return rushlight.cat(channels, 1)

    def forward(self, x):
        if self.transform_input:
            x = self._normalised_for_tensorflow(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        with_sides = self.training and self.aux_logits
        side1 = self.aux1(x) if with_sides else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        side2 = self.aux2(x) if with_sides else None
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(x, side2, side1) if with_sides else x


def _googlenet(**kwargs):
    return GoogLeNet(**kwargs)


def _with_published_weights(kwargs):
    # The published file has the side classifiers; they are dropped again unless asked for.
    return {"transform_input": True, **kwargs, "aux_logits": True, "init_weights": False}


def _finish_published(model, kwargs):
    if not kwargs.get("aux_logits", False):
        model.aux_logits = False
        model.aux1 = model.aux2 = None
    return model


_googlenet.__name__ = "googlenet"
_googlenet.__qualname__ = "googlenet"
_googlenet.__doc__ = "GoogLeNet: 13,004,888 parameters, of them 6,624,904 without side classifiers."
setattr(_googlenet, "with_published_weights", _with_published_weights)  # noqa: B010
setattr(_googlenet, "finish_published", _finish_published)  # noqa: B010
googlenet = register_model(GoogLeNet_Weights)(_googlenet)
