"""Models: parameters' names, shapes, numbers, initial values for a seed, and outputs."""

import json
from pathlib import Path

import pytest

import rushlight
from rushlight.vision import models
from tests.vision import model_cases

RECORDED = json.loads((Path(__file__).with_name("recorded") / "models.json").read_text())


def check(name):
    got, expected = model_cases.summary(name, models, rushlight), RECORDED[name]
    assert got["parameters"] == expected["parameters"] == model_cases.NAMES[name]
    assert got["entries"] == expected["entries"]
    assert got["table"] == expected["table"]
    assert got["next_random"] == expected["next_random"]
    assert got["first_values"].keys() == expected["first_values"].keys()
    for key, values in expected["first_values"].items():
        assert got["first_values"][key] == pytest.approx(values, rel=1e-6, abs=1e-9), key
    if "outputs" in expected:
        assert got["outputs"] == pytest.approx(expected["outputs"], rel=2e-3, abs=2e-4)


@pytest.mark.parametrize("name", model_cases.SMALL)
def test_small_models(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in model_cases.NAMES if n not in model_cases.SMALL])
def test_other_models(name):
    check(name)


@pytest.mark.parametrize(
    "channels, size, parameters", [(1, 28, 44426), (3, 28, 44726), (1, 32, 61706), (3, 32, 62006)]
)
def test_lenet(channels, size, parameters):
    model = models.LeNet(in_channels=channels, image_size=size)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert list(dict(model.named_children())) == ["conv1", "pool", "conv2", "fc1", "fc2", "fc3"]
    assert model(rushlight.zeros(2, channels, size, size)).shape == (2, 10)
    with pytest.raises(ValueError, match="at least 16 pixels"):
        models.LeNet(image_size=15)


def test_names_and_builders():
    names = models.list_models()
    assert set(names) == set(model_cases.NAMES) | {"lenet"}
    assert names == sorted(names)
    assert models.list_models(include="res*", exclude=["*50*", "*x*"]) == [
        "resnet101", "resnet152", "resnet18", "resnet34",
    ]  # fmt: skip
    assert models.list_models(module=models.squeezenet) == ["squeezenet1_0", "squeezenet1_1"]
    assert models.get_model_builder("LeNet") is models.lenet
    assert models.get_model("squeezenet1_1", num_classes=7).num_classes == 7
    with pytest.raises(ValueError, match="Unknown model resnet19"):
        models.get_model("resnet19")
    with pytest.raises(AttributeError, match="Did you mean 'resnet18'"):
        models.resnet19  # noqa: B018
    with pytest.raises(NotImplementedError, match="models.swin_t is not implemented"):
        models.swin_t  # noqa: B018


def test_functions_win_over_modules_of_the_same_name():
    import rushlight.vision.models.alexnet  # noqa: F401
    from rushlight.vision.models.alexnet import AlexNet

    assert callable(models.alexnet) and models.AlexNet is AlexNet and callable(models.googlenet)


def test_published_weights_are_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(models._api, "CHECKPOINT_FOLDER", str(tmp_path))
    for weights in (True, "DEFAULT", "IMAGENET1K_V1", models.ResNet18_Weights.DEFAULT):
        with pytest.raises(NotImplementedError, match="load_state_dict.*resnet18-f37072fd.pth"):
            models.resnet18(weights=weights)
    with pytest.warns(UserWarning, match="'pretrained' is deprecated"):
        with pytest.raises(NotImplementedError, match="resnet18-f37072fd.pth"):
            models.resnet18(pretrained=True)
    with pytest.warns(UserWarning, match="'pretrained' is deprecated"):
        assert models.squeezenet1_1(pretrained=False, num_classes=3).num_classes == 3
    with pytest.raises(KeyError):
        models.resnet18(weights="IMAGENET1K_V9")
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received int"):
        models.resnet18(weights=3)
    with pytest.raises(ValueError, match="expected value 1000 but got 5"):
        models.resnet18(weights="DEFAULT", num_classes=5)
    with pytest.raises(NotImplementedError, match="no weights are published for lenet"):
        models.lenet(weights=True)


def test_weights_that_are_there_are_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(models._api, "CHECKPOINT_FOLDER", str(tmp_path))
    rushlight.manual_seed(5)
    original = models.squeezenet1_1()
    rushlight.save(original.state_dict(), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    loaded = models.squeezenet1_1(weights="DEFAULT")
    for name, tensor in original.state_dict().items():
        assert rushlight.equal(loaded.state_dict()[name], tensor), name


def test_what_is_known_of_weights():
    weights = models.get_weight("ResNet50_Weights.IMAGENET1K_V2")
    assert weights is models.ResNet50_Weights.DEFAULT
    assert models.get_model_weights("resnet50") is models.ResNet50_Weights
    assert weights.url == "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    assert len(weights.meta["categories"]) == 1000
    assert weights.meta["categories"][285] == "Egyptian cat"
    preparation = weights.transforms()
    assert (preparation.resize_size, preparation.crop_size) == ([232], [224])
    assert preparation(rushlight.zeros(3, 300, 400, dtype=rushlight.uint8)).shape == (3, 224, 224)


def test_options_of_resnet():
    model = models.resnet50(num_classes=7, zero_init_residual=True)
    assert model.fc.out_features == 7 and model.layer1[0].bn3.weight.abs().sum().item() == 0.0
    dilated = models.resnet50(replace_stride_with_dilation=[False, True, True])
    assert dilated.layer4[1].conv2.dilation == (4, 4) and dilated.layer4[0].stride == 1
    with pytest.raises(ValueError, match="3-element tuple"):
        models.resnet18(replace_stride_with_dilation=[True])
    with pytest.raises(NotImplementedError, match="Dilation > 1"):
        models.resnet18(replace_stride_with_dilation=[False, False, True])


def test_intermediate_layers():
    from rushlight.vision.models._utils import IntermediateLayerGetter

    model = models.resnet18()
    getter = IntermediateLayerGetter(model, {"layer1": "a", "layer3": "b"})
    features = getter(rushlight.zeros(1, 3, 64, 64))
    shapes = {name: tuple(value.shape) for name, value in features.items()}
    assert shapes == {"a": (1, 64, 16, 16), "b": (1, 256, 4, 4)}
    assert "layer4" not in dict(getter.named_children())
    with pytest.raises(ValueError, match="return_layers are not present"):
        IntermediateLayerGetter(model, {"layer9": "x"})


def test_training_step_changes_every_parameter():
    rushlight.manual_seed(0)
    model = models.mobilenet_v2(num_classes=4, width_mult=0.35)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    loss = model(rushlight.randn(2, 3, 64, 64)).log_softmax(1)[:, 1].sum()
    loss.backward()
    with rushlight.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    unchanged = [n for n, p in model.named_parameters() if rushlight.equal(p, before[n])]
    assert unchanged == []


def test_googlenet_side_classifiers():
    model = models.googlenet(init_weights=False, num_classes=5)
    outputs = model(rushlight.zeros(2, 3, 64, 64))
    assert type(outputs).__name__ == "GoogLeNetOutputs"
    assert [tuple(part.shape) for part in outputs] == [(2, 5)] * 3
    assert model.eval()(rushlight.zeros(1, 3, 64, 64)).shape == (1, 5)
