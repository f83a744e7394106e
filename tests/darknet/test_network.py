"""The shipped networks: their sizes as published, their shapes, and what forward gives."""

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import darknet, nn

# (all floats of a weights file, those that are trained). YOLOv3 and YOLOv3-tiny: the totals of the
# papers' networks as Keras and Darknet count them; the others: the sizes of the published files.
PUBLISHED = {
    "yolov3": (62_001_757, 61_949_149),
    "yolov3-tiny": (8_858_734, 8_852_366),
    "yolov3-spp": (63_052_381, None),
    "yolov4-tiny": (6_062_814, None),
}


def floats(layers):
    return sum(layer.floats for layer in layers)


def test_every_published_network_comes_with_the_package():
    names = {"cifar-small", "darknet19", "darknet53", "yolov4-tiny"} | set(PUBLISHED)
    assert names <= set(darknet.shipped_cfgs())


@pytest.mark.parametrize("name", PUBLISHED)
def test_number_of_weights_is_the_published_one(name):
    layers = darknet.plan_network(darknet.parse_cfg(darknet.cfg_path(name)))
    total, trained = PUBLISHED[name]
    assert floats(layers) == total
    if trained is not None:
        slots = [slot for layer in layers for slot in layer.slots]
        assert total - sum(slot.count for slot in slots if "running" in slot.name) == trained


def test_backbones_have_the_sizes_of_the_published_files():
    """darknet53.conv.74 has 162,482,580 bytes, darknet19_448.conv.23 79,327,120 (20 and 16 of
    them are the header)."""
    layers = darknet.plan_network(darknet.parse_cfg(darknet.cfg_path("darknet53")))
    assert 4 * floats(layers[:75]) + 20 == 162_482_580
    layers = darknet.plan_network(darknet.parse_cfg(darknet.cfg_path("darknet19")))
    assert 4 * floats(layers[:23]) + 16 == 79_327_120


def test_modules_have_the_weights_of_the_plan():
    for name in ("yolov3-tiny", "yolov4-tiny", "cifar-small"):
        model = darknet.Darknet(name)
        state = model.state_dict()
        for layer in model.layers:
            for slot in layer.slots:
                assert tuple(state[f"module_list.{layer.index}.{slot.name}"].shape) == slot.shape
        counted = sum(v.numel() for k, v in state.items() if not k.endswith("batches_tracked"))
        assert counted == floats(model.layers)


def test_detections_in_eval_and_raw_maps_in_training():
    model = darknet.Darknet("yolov4-tiny")
    pictures = torch.rand(2, 3, 96, 64)
    raw = model(pictures)
    assert [tuple(each.shape) for each in raw] == [(2, 255, 3, 2), (2, 255, 6, 4)]
    assert raw[0].requires_grad
    model.eval()
    with torch.no_grad():
        found = model(pictures)
        assert found.shape == (2, 3 * (6 + 24), 85)
        raw = model(pictures, raw=True)
        assert torch.equal(model.decode(raw, (96, 64)), found)


def test_heads_say_what_training_needs():
    model = darknet.Darknet("yolov3")
    assert [head.mask for head in model.heads] == [(6, 7, 8), (3, 4, 5), (0, 1, 2)]
    head = model.heads[0]
    assert head.anchors == [(116.0, 90.0), (156.0, 198.0), (373.0, 326.0)]
    assert len(head.all_anchors) == 9 and head.classes == 80
    assert (head.ignore_thresh, head.truth_thresh, head.scale_x_y) == (0.7, 1.0, 1.0)
    assert head.iou_loss == "mse" and head.new_coords is False
    assert model.net_info.number("learning_rate", 0.0) == 0.001
    assert model.input_size == (416, 416)


def test_a_classifier_gives_probabilities():
    model = darknet.Darknet("cifar-small").eval()
    result = model(torch.rand(4, 3, 32, 32))
    assert model.heads == [] and result.shape == (4, 10)
    assert torch.allclose(result.sum(1), torch.ones(4))


def test_wrong_pictures_are_refused():
    model = darknet.Darknet("cifar-small")
    with pytest.raises(RuntimeError, match=r"\(batch, 3, height, width\), got \(4, 1, 32, 32\)"):
        model(torch.zeros(4, 1, 32, 32))
    with pytest.raises(RuntimeError, match="got"):
        model(torch.zeros(3, 32, 32))


def test_folding_changes_nothing_but_the_number_of_operations():
    torch.manual_seed(0)
    model = darknet.Darknet("yolov4-tiny")
    pictures = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(2, 3, 64, 64))  # gives the running statistics other values than 0, 1
    model.eval()
    with torch.no_grad():
        before = model(pictures)
        after = model.fold_batch_norm()(pictures)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-3)
    with pytest.raises(RuntimeError, match="build it anew"):
        model.train()


def test_whole_models_are_copied_and_saved(tmp_path):
    model = darknet.Darknet("yolov4-tiny").eval()
    model.header = darknet.WeightsHeader(seen=64)
    pictures = torch.rand(1, 3, 64, 64)
    expected = model(pictures)
    torch.save(model, tmp_path / "model.pt")
    for other in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(tmp_path / "model.pt", weights_only=False),
    ):
        assert torch.equal(other(pictures), expected)
        assert other.header == model.header and other.blocks == model.blocks
        assert other.layers[5].block.line == model.layers[5].block.line > 0
        assert other.net_info.integer("width", 0) == 416
