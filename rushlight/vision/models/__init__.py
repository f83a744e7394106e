"""Networks for pictures, with torchvision's parameter names and the same initial weights per seed.

Example:
    >>> from rushlight.vision import models
    >>> sum(p.numel() for p in models.resnet18().parameters())
    11689512
"""

from rushlight.vision._suggest import lazy_attributes

# Not lazily: `alexnet` and `googlenet` are functions with their modules' names, and have to win.
from rushlight.vision.models.alexnet import AlexNet, AlexNet_Weights, alexnet  # noqa: F401
from rushlight.vision.models.googlenet import (  # noqa: F401
    GoogLeNet,
    GoogLeNet_Weights,
    GoogLeNetOutputs,
    googlenet,
)

_HOMES = {
    "_api": (
        "Weights WeightsEnum get_model get_model_builder get_model_weights get_weight list_models"
    ),
    "_lenet": "LeNet lenet",
    "densenet": (
        "DenseNet DenseNet121_Weights DenseNet161_Weights DenseNet169_Weights DenseNet201_Weights "
        "densenet121 densenet161 densenet169 densenet201"
    ),
    "efficientnet": (
        "EfficientNet EfficientNet_B0_Weights EfficientNet_B1_Weights EfficientNet_B2_Weights "
        "EfficientNet_B3_Weights EfficientNet_B4_Weights EfficientNet_B5_Weights "
        "EfficientNet_B6_Weights EfficientNet_B7_Weights EfficientNet_V2_S_Weights "
        "EfficientNet_V2_M_Weights EfficientNet_V2_L_Weights efficientnet_b0 efficientnet_b1 "
        "efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 "
        "efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l"
    ),
    "mobilenetv2": "MobileNetV2 MobileNet_V2_Weights mobilenet_v2",
    "mobilenetv3": (
        "MobileNetV3 MobileNet_V3_Large_Weights MobileNet_V3_Small_Weights mobilenet_v3_large "
        "mobilenet_v3_small"
    ),
    "resnet": (
        "ResNet ResNet18_Weights ResNet34_Weights ResNet50_Weights ResNet101_Weights "
        "ResNet152_Weights ResNeXt50_32X4D_Weights ResNeXt101_32X8D_Weights "
        "ResNeXt101_64X4D_Weights Wide_ResNet50_2_Weights Wide_ResNet101_2_Weights resnet18 "
        "resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d "
        "wide_resnet50_2 wide_resnet101_2"
    ),
    "shufflenetv2": (
        "ShuffleNetV2 ShuffleNet_V2_X0_5_Weights ShuffleNet_V2_X1_0_Weights "
        "ShuffleNet_V2_X1_5_Weights ShuffleNet_V2_X2_0_Weights shufflenet_v2_x0_5 "
        "shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0"
    ),
    "squeezenet": (
        "SqueezeNet SqueezeNet1_0_Weights SqueezeNet1_1_Weights squeezenet1_0 squeezenet1_1"
    ),
    "vgg": (
        "VGG VGG11_Weights VGG11_BN_Weights VGG13_Weights VGG13_BN_Weights VGG16_Weights "
        "VGG16_BN_Weights VGG19_Weights VGG19_BN_Weights vgg11 vgg11_bn vgg13 vgg13_bn vgg16 "
        "vgg16_bn vgg19 vgg19_bn"
    ),
}

# Every module that registers a model.
HOMES = ["alexnet", "googlenet"] + [home for home in _HOMES if home != "_api"]

_TABLE = {name: home for home, names in _HOMES.items() for name in names.split()}
_TABLE.update((home, home) for home in _HOMES if not home.startswith("_"))
_TABLE["_utils"] = "_utils"

_MISSING = (
    "ConvNeXt Inception3 InceptionOutputs MNASNet MaxVit RegNet SwinTransformer VisionTransformer "
    "convnext convnext_base convnext_large convnext_small convnext_tiny detection inception "
    "inception_v3 maxvit maxvit_t mnasnet mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 "
    "optical_flow quantization regnet regnet_x_16gf regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf "
    "regnet_x_400mf regnet_x_800mf regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf "
    "regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_8gf segmentation swin_b "
    "swin_s swin_t swin_transformer swin_v2_b swin_v2_s swin_v2_t video vision_transformer "
    "vit_b_16 vit_b_32 vit_h_14 vit_l_16 vit_l_32"
).split()

__getattr__, __dir__ = lazy_attributes(__name__, _TABLE, missing=_MISSING)
