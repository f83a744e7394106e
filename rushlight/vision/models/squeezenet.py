"""SqueezeNet: AlexNet's accuracy from a fiftieth of its parameters (arXiv:1602.07360)."""

import rushlight
from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum

SqueezeNet1_0_Weights = weights_enum(
    "SqueezeNet1_0_Weights", {"IMAGENET1K_V1": "squeezenet1_0-b66bff10.pth"}, module=__name__
)
SqueezeNet1_1_Weights = weights_enum(
    "SqueezeNet1_1_Weights", {"IMAGENET1K_V1": "squeezenet1_1-b8a52dc0.pth"}, module=__name__
)


class Fire(nn.Module):
    """A 1x1 convolution that squeezes, then a 1x1 and a 3x3 that expand, side by side."""

    def __init__(self, inplanes, squeeze_planes, expand1x1_planes, expand3x3_planes):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        near = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return rushlight.cat([near, wide], 1)


# channels of the stem, its kernel, then each Fire's squeeze and half its output; M is a pooling
_VERSIONS = {
    "1_0": (96, 7, "M 16:64 16:64 32:128 M 32:128 48:192 48:192 64:256 M 64:256"),
    "1_1": (64, 3, "M 16:64 16:64 M 32:128 32:128 M 48:192 48:192 64:256 64:256"),
}


class SqueezeNet(nn.Module):
    """A stem, eight `Fire` blocks and a convolution that gives the classes.

    Raises:
        ValueError: a version other than "1_0" and "1_1".
    """

    def __init__(self, version="1_0", num_classes=1000, dropout=0.5):
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        channels, kernel, plan = _VERSIONS[version]
        layers: list[nn.Module] = [
            nn.Conv2d(3, channels, kernel_size=kernel, stride=2),
            nn.ReLU(inplace=True),
        ]
        for step in plan.split():
            if step == "M":
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
                continue
            squeeze, half = map(int, step.split(":"))
            layers.append(Fire(channels, squeeze, half, half))
            channels = 2 * half
        self.features = nn.Sequential(*layers)
        final = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), final, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is final:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


@register_model(SqueezeNet1_0_Weights)
def squeezenet1_0(**kwargs):
    """SqueezeNet 1.0: 1,248,424 parameters."""
    return SqueezeNet("1_0", **kwargs)


@register_model(SqueezeNet1_1_Weights)
def squeezenet1_1(**kwargs):
    """SqueezeNet 1.1, less than half the work of 1.0: 1,235,496 parameters."""
    return SqueezeNet("1_1", **kwargs)
