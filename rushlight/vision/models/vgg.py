"""VGG: plain stacks of 3x3 convolutions (arXiv:1409.1556)."""

from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum

# Channels of each convolution; M is a pooling.
_LAYERS = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


class VGG(nn.Module):
    """`features`, pooled to 7x7, and a classifier of three linear layers."""

    def __init__(self, features, num_classes=1000, init_weights=True, dropout=0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for module in self.modules():
                _initialise(module)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _initialise(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.constant_(module.bias, 0)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.constant_(module.weight, 1)
        nn.init.constant_(module.bias, 0)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.constant_(module.bias, 0)


def make_layers(plan, batch_norm=False):
    """The convolutions of `plan`: numbers of channels, and "M" for a pooling."""
    layers = []
    channels = 3
    for step in plan:
        if step == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, int(step), kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(int(step)))
        layers.append(nn.ReLU(inplace=True))
        channels = int(step)
    return nn.Sequential(*layers)


def _vgg(letter, batch_norm, **kwargs):
    return VGG(make_layers(_LAYERS[letter].split(), batch_norm), **kwargs)


def _enum(name, file, **more):
    return weights_enum(name, {"IMAGENET1K_V1": file, **more}, module=__name__)


VGG11_Weights = _enum("VGG11_Weights", "vgg11-8a719046.pth")
VGG11_BN_Weights = _enum("VGG11_BN_Weights", "vgg11_bn-6002323d.pth")
VGG13_Weights = _enum("VGG13_Weights", "vgg13-19584684.pth")
VGG13_BN_Weights = _enum("VGG13_BN_Weights", "vgg13_bn-abd245e5.pth")
VGG16_Weights = _enum(
    "VGG16_Weights",
    "vgg16-397923af.pth",
    IMAGENET1K_FEATURES=(
        "vgg16_features-amdegroot-88682ab5.pth",
        {"mean": (0.48235, 0.45882, 0.40784), "std": (1 / 255, 1 / 255, 1 / 255)},
    ),
)
VGG16_BN_Weights = _enum("VGG16_BN_Weights", "vgg16_bn-6c64b313.pth")
VGG19_Weights = _enum("VGG19_Weights", "vgg19-dcbb9e9d.pth")
VGG19_BN_Weights = _enum("VGG19_BN_Weights", "vgg19_bn-c79401a0.pth")


@register_model(VGG11_Weights)
def vgg11(**kwargs):
    """VGG with 11 layers: 132,863,336 parameters."""
    return _vgg("A", False, **kwargs)


@register_model(VGG11_BN_Weights)
def vgg11_bn(**kwargs):
    """VGG with 11 layers and batch norm: 132,868,840 parameters."""
    return _vgg("A", True, **kwargs)


@register_model(VGG13_Weights)
def vgg13(**kwargs):
    """VGG with 13 layers: 133,047,848 parameters."""
    return _vgg("B", False, **kwargs)


@register_model(VGG13_BN_Weights)
def vgg13_bn(**kwargs):
    """VGG with 13 layers and batch norm: 133,053,736 parameters."""
    return _vgg("B", True, **kwargs)


@register_model(VGG16_Weights)
def vgg16(**kwargs):
    """VGG with 16 layers: 138,357,544 parameters."""
    return _vgg("D", False, **kwargs)


@register_model(VGG16_BN_Weights)
def vgg16_bn(**kwargs):
    """VGG with 16 layers and batch norm: 138,365,992 parameters."""
    return _vgg("D", True, **kwargs)


@register_model(VGG19_Weights)
def vgg19(**kwargs):
    """VGG with 19 layers: 143,667,240 parameters."""
    return _vgg("E", False, **kwargs)


@register_model(VGG19_BN_Weights)
def vgg19_bn(**kwargs):
    """VGG with 19 layers and batch norm: 143,678,248 parameters."""
    return _vgg("E", True, **kwargs)
