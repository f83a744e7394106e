"""DenseNet: every layer sees all the ones before it (arXiv:1608.06993)."""

import re
from collections import OrderedDict

import rushlight
from rushlight import Tensor, nn
from rushlight.nn import functional as F
from rushlight.vision.models._api import register_model, weights_enum


def _enum(name, file):
    return weights_enum(name, {"IMAGENET1K_V1": file}, module=__name__)


DenseNet121_Weights = _enum("DenseNet121_Weights", "densenet121-a639ec97.pth")
DenseNet161_Weights = _enum("DenseNet161_Weights", "densenet161-8d451a50.pth")
DenseNet169_Weights = _enum("DenseNet169_Weights", "densenet169-b2777c0a.pth")
DenseNet201_Weights = _enum("DenseNet201_Weights", "densenet201-c1103571.pth")


class _DenseLayer(nn.Module):
    """Norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution of all features so far."""

    def __init__(self, inputs, growth_rate, bn_size, drop_rate, memory_efficient=False):
        super().__init__()
        middle = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, middle, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(middle)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(
            middle, growth_rate, kernel_size=3, stride=1, padding=1, bias=False
        )
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def _bottleneck(self, *features):
        return self.conv1(self.relu1(self.norm1(rushlight.cat(features, 1))))

    def forward(self, input):
        features = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(feature.requires_grad for feature in features):
            from rushlight.utils.checkpoint import checkpoint

            middle = checkpoint(self._bottleneck, *features, use_reentrant=False)
        else:
            middle = self._bottleneck(*features)
        new = self.conv2(self.relu2(self.norm2(middle)))
        if self.drop_rate > 0:
            new = F.dropout(new, p=self.drop_rate, training=self.training)
        return new


class _DenseBlock(nn.ModuleDict):
    """`num_layers` dense layers; the output is all features side by side."""

    def __init__(self, num_layers, inputs, bn_size, growth_rate, drop_rate, memory_efficient):
        super().__init__()
        for i in range(num_layers):
            self.add_module(
                f"denselayer{i + 1}",
                _DenseLayer(
                    inputs + i * growth_rate, growth_rate, bn_size, drop_rate, memory_efficient
                ),
            )

    def forward(self, init_features):
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return rushlight.cat(features, 1)


class _Transition(nn.Sequential):
    """Half the channels and half the size."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """A stem, four dense blocks with transitions between them, and one linear layer.

    Args:
        growth_rate: channels that each layer adds. block_config: layers in each block.
        bn_size: channels of the bottlenecks, in growth rates.
        memory_efficient: compute the bottlenecks again in the backward pass.
    """

    def __init__(
        self,
        growth_rate=32,
        block_config=(6, 12, 24, 16),
        num_init_features=64,
        bn_size=4,
        drop_rate=0,
        num_classes=1000,
        memory_efficient=False,
    ):
        super().__init__()
        width = num_init_features
        stem = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.features = nn.Sequential(
            OrderedDict(
                conv0=stem,
                norm0=nn.BatchNorm2d(width),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            )
        )
        for i, layers in enumerate(block_config):
            block = _DenseBlock(layers, width, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i + 1}", block)
            width += layers * growth_rate
            if i != len(block_config) - 1:
                self.features.add_module(f"transition{i + 1}", _Transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.constant_(module.bias, 0)

    def forward(self, x):
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def _rename_published(state):
    """The published files say `norm.1` where the layers are called `norm1`."""
    pattern = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
    return {pattern.sub(r"\1\2", name): tensor for name, tensor in state.items()}


def _densenet(weights):
    def decorate(build):
        build.rename_published = _rename_published
        return register_model(weights)(build)

    return decorate


@_densenet(DenseNet121_Weights)
def densenet121(**kwargs):
    """DenseNet with 121 layers: 7,978,856 parameters."""
    return DenseNet(32, (6, 12, 24, 16), 64, **kwargs)


@_densenet(DenseNet161_Weights)
def densenet161(**kwargs):
    """DenseNet with 161 layers: 28,681,000 parameters."""
    return DenseNet(48, (6, 12, 36, 24), 96, **kwargs)


@_densenet(DenseNet169_Weights)
def densenet169(**kwargs):
    """DenseNet with 169 layers: 14,149,480 parameters."""
    return DenseNet(32, (6, 12, 32, 32), 64, **kwargs)


@_densenet(DenseNet201_Weights)
def densenet201(**kwargs):
    """DenseNet with 201 layers: 20,013,928 parameters."""
    return DenseNet(32, (6, 12, 48, 32), 64, **kwargs)
