"""Residual networks: ResNet (arXiv:1512.03385), ResNeXt (1611.05431), Wide ResNet (1605.07146)."""

from typing import Any

from rushlight import nn
from rushlight.vision.models._api import register_model, weights_enum


def conv3x3(in_planes, out_planes, stride=1, groups=1, dilation=1):
    """A 3x3 convolution without bias that keeps the size (at stride 1)."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        kernel_size=3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


def conv1x1(in_planes, out_planes, stride=1):
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """`relu(x + conv(relu(conv(x))))` of two 3x3 convolutions.

    Raises:
        ValueError: groups or another base width. NotImplementedError: dilation.
    """

    expansion = 1

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        downsample=None,
        groups=1,
        base_width=64,
        dilation=1,
        norm_layer=None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """`relu(x + ...)` of a 1x1, a 3x3 (which has the stride) and a 1x1 convolution."""

    expansion = 4

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        downsample=None,
        groups=1,
        base_width=64,
        dilation=1,
        norm_layer=None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, average pooling and one linear layer.

    Args:
        block: `BasicBlock` or `Bottleneck`. layers: blocks in each stage.
        zero_init_residual: start every block as the identity.
        groups, width_per_group: of the 3x3 convolutions (ResNeXt, Wide ResNet).
        replace_stride_with_dilation: for the last three stages, keep the size and dilate.
        norm_layer: batch norm by default.

    Raises:
        ValueError: `replace_stride_with_dilation` that is not three booleans.
    """

    def __init__(
        self,
        block,
        layers,
        num_classes=1000,
        zero_init_residual=False,
        groups=1,
        width_per_group=64,
        replace_stride_with_dilation=None,
        norm_layer=None,
    ):
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialise(zero_init_residual)

    def _initialise(self, zero_init_residual):
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        if zero_init_residual:
            for module in self.modules():
                name = "bn3" if isinstance(module, Bottleneck) else "bn2"
                last: Any = getattr(module, name, None)
                if isinstance(module, (BasicBlock, Bottleneck)) and last.weight is not None:
                    nn.init.constant_(last.weight, 0)

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        width = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, width, stride), self._norm_layer(width)
            )
        stage = [
            block(
                self.inplanes,
                planes,
                stride,
                downsample,
                self.groups,
                self.base_width,
                first_dilation,
                self._norm_layer,
            )
        ]
        self.inplanes = width
        for _ in range(1, blocks):
            stage.append(
                block(
                    width,
                    planes,
                    groups=self.groups,
                    base_width=self.base_width,
                    dilation=self.dilation,
                    norm_layer=self._norm_layer,
                )
            )
        return nn.Sequential(*stage)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _enum(name, first, second=None, only_second=False):
    files = {} if first is None else {"IMAGENET1K_V1": first}
    if second is not None:
        files["IMAGENET1K_V2"] = (second, {"resize_size": 232})
    return weights_enum(name, files, module=__name__)


ResNet18_Weights = _enum("ResNet18_Weights", "resnet18-f37072fd.pth")
ResNet34_Weights = _enum("ResNet34_Weights", "resnet34-b627a593.pth")
ResNet50_Weights = _enum("ResNet50_Weights", "resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth")
ResNet101_Weights = _enum("ResNet101_Weights", "resnet101-63fe2227.pth", "resnet101-cd907fc2.pth")
ResNet152_Weights = _enum("ResNet152_Weights", "resnet152-394f9c45.pth", "resnet152-f82ba261.pth")
ResNeXt50_32X4D_Weights = _enum(
    "ResNeXt50_32X4D_Weights",
    "resnext50_32x4d-7cdf4587.pth",
    "resnext50_32x4d-1a0047aa.pth",
)
ResNeXt101_32X8D_Weights = _enum(
    "ResNeXt101_32X8D_Weights",
    "resnext101_32x8d-8ba56ff5.pth",
    "resnext101_32x8d-110c445d.pth",
)
ResNeXt101_64X4D_Weights = weights_enum(
    "ResNeXt101_64X4D_Weights",
    {"IMAGENET1K_V1": "resnext101_64x4d-173b62eb.pth"},
    resize_size=232,
    module=__name__,
)
Wide_ResNet50_2_Weights = _enum(
    "Wide_ResNet50_2_Weights",
    "wide_resnet50_2-95faca4d.pth",
    "wide_resnet50_2-9ba9bcbe.pth",
)
Wide_ResNet101_2_Weights = _enum(
    "Wide_ResNet101_2_Weights",
    "wide_resnet101_2-32ee1156.pth",
    "wide_resnet101_2-d733dc28.pth",
)


@register_model(ResNet18_Weights)
def resnet18(**kwargs):
    """ResNet with 18 layers: 11,689,512 parameters."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **kwargs)


@register_model(ResNet34_Weights)
def resnet34(**kwargs):
    """ResNet with 34 layers: 21,797,672 parameters."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **kwargs)


@register_model(ResNet50_Weights)
def resnet50(**kwargs):
    """ResNet with 50 layers: 25,557,032 parameters."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@register_model(ResNet101_Weights)
def resnet101(**kwargs):
    """ResNet with 101 layers: 44,549,160 parameters."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@register_model(ResNet152_Weights)
def resnet152(**kwargs):
    """ResNet with 152 layers: 60,192,808 parameters."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **kwargs)


@register_model(ResNeXt50_32X4D_Weights)
def resnext50_32x4d(**kwargs):
    """ResNeXt with 50 layers and 32 groups of 4: 25,028,904 parameters."""
    kwargs.update(groups=32, width_per_group=4)
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@register_model(ResNeXt101_32X8D_Weights)
def resnext101_32x8d(**kwargs):
    """ResNeXt with 101 layers and 32 groups of 8: 88,791,336 parameters."""
    kwargs.update(groups=32, width_per_group=8)
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@register_model(ResNeXt101_64X4D_Weights)
def resnext101_64x4d(**kwargs):
    """ResNeXt with 101 layers and 64 groups of 4: 83,455,272 parameters."""
    kwargs.update(groups=64, width_per_group=4)
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@register_model(Wide_ResNet50_2_Weights)
def wide_resnet50_2(**kwargs):
    """ResNet-50 with 3x3 convolutions twice as wide: 68,883,240 parameters."""
    kwargs.update(width_per_group=128)
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@register_model(Wide_ResNet101_2_Weights)
def wide_resnet101_2(**kwargs):
    """ResNet-101 with 3x3 convolutions twice as wide: 126,886,696 parameters."""
    kwargs.update(width_per_group=128)
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)
