"""The models whose parameters were recorded."""

import hashlib

# name: published number of parameters
NAMES = {
    "alexnet": 61100840,
    "densenet121": 7978856,
    "densenet161": 28681000,
    "densenet169": 14149480,
    "densenet201": 20013928,
    "efficientnet_b0": 5288548,
    "efficientnet_b1": 7794184,
    "efficientnet_b2": 9109994,
    "efficientnet_b3": 12233232,
    "efficientnet_b4": 19341616,
    "efficientnet_b5": 30389784,
    "efficientnet_b6": 43040704,
    "efficientnet_b7": 66347960,
    "efficientnet_v2_s": 21458488,
    "efficientnet_v2_m": 54139356,
    "efficientnet_v2_l": 118515272,
    "googlenet": 13004888,
    "mobilenet_v2": 3504872,
    "mobilenet_v3_large": 5483032,
    "mobilenet_v3_small": 2542856,
    "resnet18": 11689512,
    "resnet34": 21797672,
    "resnet50": 25557032,
    "resnet101": 44549160,
    "resnet152": 60192808,
    "resnext50_32x4d": 25028904,
    "resnext101_32x8d": 88791336,
    "resnext101_64x4d": 83455272,
    "shufflenet_v2_x0_5": 1366792,
    "shufflenet_v2_x1_0": 2278604,
    "shufflenet_v2_x1_5": 3503624,
    "shufflenet_v2_x2_0": 7393996,
    "squeezenet1_0": 1248424,
    "squeezenet1_1": 1235496,
    "vgg11": 132863336,
    "vgg11_bn": 132868840,
    "vgg13": 133047848,
    "vgg13_bn": 133053736,
    "vgg16": 138357544,
    "vgg16_bn": 138365992,
    "vgg19": 143667240,
    "vgg19_bn": 143678248,
    "wide_resnet50_2": 68883240,
    "wide_resnet101_2": 126886696,
}

# Quick to build and to run.
SMALL = [
    "efficientnet_b0",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
]


def summary(name, models, torch):
    """What a model is: names and shapes, initial values per seed, outputs, randomness used."""
    torch.manual_seed(0)
    options = {"init_weights": True} if name == "googlenet" else {}
    model = getattr(models, name)(**options)
    following = torch.rand(1).item()
    state = model.state_dict()
    table = "\n".join(f"{key} {tuple(value.shape)} {value.dtype}" for key, value in state.items())
    result = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "table": hashlib.sha256(table.encode()).hexdigest(),
        "entries": len(state),
        "next_random": following,
        "first_values": {
            key: value.flatten()[:3].tolist()
            for key, value in list(state.items())[:: max(1, len(state) // 8)]
        },
    }
    if name in SMALL:
        model.eval()
        image = torch.linspace(-2, 2, 3 * 64 * 64).view(1, 3, 64, 64)
        with torch.no_grad():
            result["outputs"] = model(image)[0, :8].tolist()
    return result
