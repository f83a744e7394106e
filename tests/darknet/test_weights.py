"""Weights files: what is read, what is written, and what is refused, with the layer's name."""

import struct

import numpy as np
import pytest

import rushlight as torch
from rushlight import darknet
from rushlight.darknet import WeightsError, WeightsHeader, convert_weights, load_network
from tests.darknet.cases import CASES, conv, net, prepare, write_weights
from tests.darknet.data import needs_shared_data, network_files

REAL = ("yolo-fastest-1.1", "yolo-fastest-1.1-xl")
TEXT = net() + conv(4, 3, "leaky", "batch_normalize=1") + "[connected]\noutput=3\n" + conv(2, 1)


@pytest.fixture
def files(tmp_path):
    """(cfg, weights, layers) of a small network."""
    cfg, weights = tmp_path / "small.cfg", tmp_path / "small.weights"
    cfg.write_text(TEXT)
    layers = darknet.plan_network(darknet.parse_cfg(cfg))
    write_weights(weights, layers)
    return cfg, weights, layers


@needs_shared_data
@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_whole_and_written_byte_for_byte(name, tmp_path):
    cfg, weights = network_files(name)
    model = load_network(cfg, weights)
    assert 20 + 4 * sum(layer.floats for layer in model.layers) == weights.stat().st_size
    model.save_weights(tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == weights.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_written_again_byte_for_byte(name, tmp_path):
    cfg, weights, _ = prepare(name, tmp_path)
    load_network(cfg, weights).save_weights(tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == weights.read_bytes()


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov4-tiny", "cifar-small"])
def test_a_new_network_makes_the_whole_way(name, tmp_path):
    torch.manual_seed(0)
    model = darknet.Darknet(name)
    model.save_weights(tmp_path / "one.weights")
    other = load_network(name, tmp_path / "one.weights")
    assert other.header == WeightsHeader(0, 2, 5, 0)
    for mine, its in zip(model.parameters(), other.parameters()):
        assert torch.equal(mine, its)
    other.save_weights(tmp_path / "two.weights")
    assert (tmp_path / "one.weights").read_bytes() == (tmp_path / "two.weights").read_bytes()


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 5), (1, 0, 0), (0, 2000, 0)])
def test_header_versions(version, tmp_path, files):
    cfg, weights, layers = files
    write_weights(weights, layers, version=version)
    model = load_network(cfg, weights)
    assert model.header[:4] == (*version, 64000)
    assert model.header.size == (16 if version == (0, 1, 0) else 20)
    model.save_weights(tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == weights.read_bytes()


@pytest.mark.parametrize("width", ["<I", "<Q"])
def test_transposed_matrices(width, tmp_path, files):
    """Versions above 1000 hold connected layers the other way round, with either counter."""
    cfg, weights, layers = files
    content = weights.read_bytes()
    straight = load_network(cfg, weights)
    floats = np.frombuffer(content, "<f4", offset=20).copy()
    start = layers[0].floats + 3
    matrix = floats[start : start + layers[1].slots[1].count]
    matrix[:] = matrix.reshape(3, -1).T.ravel()
    turned = tmp_path / "turned.weights"
    head = struct.pack("<iii", 1001, 0, 0) + struct.pack(width, 7)
    turned.write_bytes(head + floats.tobytes())
    model = load_network(cfg, turned)
    assert model.header.transposed and model.header.seen == 7
    for one, other in zip(straight.parameters(), model.parameters()):
        assert torch.equal(one, other)
    model.save_weights(tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == turned.read_bytes()


def test_options_that_leave_weights_out(tmp_path, files):
    cfg = tmp_path / "partial.cfg"
    cfg.write_text(TEXT.replace("batch_normalize=1", "batch_normalize=1\ndontloadscales=1"))
    assert darknet.Darknet(cfg).layers[0].floats == 4 + 4 * 27
    cfg.write_text(TEXT.replace("batch_normalize=1", "dontload=1"))
    assert darknet.Darknet(cfg).layers[0].floats == 0


def test_backbones_need_a_cutoff(tmp_path, files):
    cfg, weights, layers = files
    model = load_network(cfg, weights)
    backbone = tmp_path / "small.conv.0"
    model.save_weights(backbone, cutoff=1)
    assert backbone.stat().st_size == 20 + 4 * layers[0].floats
    with pytest.raises(WeightsError, match="exactly before layer 1: cutoff=1 reads that"):
        load_network(cfg, backbone)
    torch.manual_seed(3)
    other = darknet.Darknet(cfg)
    before = other.module_list[1].connected_1.weight.clone()
    other.load_weights(backbone, cutoff=1)
    assert torch.equal(other.module_list[0].conv_0.weight, model.module_list[0].conv_0.weight)
    assert torch.equal(other.module_list[1].connected_1.weight, before)
    other.load_weights(weights, cutoff=1)  # from a whole file too, as Darknet does


def damaged(content, name):
    """`content` of a weights file of TEXT, spoiled in a known way."""
    floats = np.frombuffer(content, "<f4", offset=20).copy()
    if name == "nothing at all":
        return b""
    if name == "no header":
        return content[:15]
    if name == "half a header":
        return content[:18]
    if name == "a header alone":
        return content[:20]
    if name == "ends early":
        return content[:-8]
    if name == "ends within a float":
        return content[:-3]
    if name == "too long":
        return content + bytes(12)
    if name == "too long by a byte":
        return content + b"x"
    if name == "not a number":
        floats[20] = np.nan
    elif name == "all not numbers":
        floats[:] = np.nan
    elif name == "infinite":
        floats[-1] = -np.inf
    elif name == "negative variance":
        floats[13] = -1
    return content[:20] + floats.tobytes()


@pytest.mark.parametrize(
    "name, says",
    [
        ("nothing at all", "0 bytes are not even a header"),
        ("no header", "15 bytes are not even a header"),
        ("half a header", "a header of version 0.2 has 20"),
        ("a header alone", "batch_norm_0.bias needs 4 floats and 0 are left"),
        ("ends early", r"layer 2, \[convolutional\] in line 14 of small.cfg: conv_2.weight needs "
         "6 floats and 4 are left"),
        ("ends within a float", "the last 1 are no whole float"),
        ("too long", r"3 floats are left behind layer 2, \[convolutional\] in line 14"),
        ("too long by a byte", "the last 1 are no whole float"),
        ("not a number", r"layer 0.*conv_0.weight: 1 of 108 values are not finite.*number 4: nan"),
        ("all not numbers", "batch_norm_0.bias: 4 of 4 values are not finite"),
        ("infinite", "conv_2.weight: 1 of 6 values are not finite, the first is number 5: -inf"),
        ("negative variance", "running_var: a variance is negative, number 1: -1.0"),
    ],
)  # fmt: skip
def test_damaged_files(name, says, tmp_path, files):
    cfg, weights, _ = files
    model = load_network(cfg, weights)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    bad = tmp_path / "bad.weights"
    bad.write_bytes(damaged(weights.read_bytes(), name))
    with pytest.raises(WeightsError, match=says) as raised:
        load_network(cfg, bad)
    assert str(raised.value).startswith("bad.weights: ")
    with pytest.raises(WeightsError, match=says):
        model.load_weights(bad)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), "a refused file has changed the model"


def test_the_size_is_checked_before_anything_is_built(tmp_path, monkeypatch, files):
    _, weights, _ = files
    cfg = tmp_path / "huge.cfg"
    cfg.write_text(net() + conv(4096) + conv(4096))  # 600 MB
    monkeypatch.setattr(darknet.files, "Darknet", lambda *a: pytest.fail("it was built"))
    with pytest.raises(WeightsError, match="ends early"):
        load_network(cfg, weights)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_other_formats_there_and_back(suffix, tmp_path, files):
    cfg, weights, _ = files
    middle, again = tmp_path / f"middle{suffix}", tmp_path / "again.weights"
    convert_weights(cfg, weights, middle)
    convert_weights(cfg, middle, again)
    skipped = 20 if suffix == ".pt" else 0  # a state_dict has no place for the header
    assert again.read_bytes()[skipped:] == weights.read_bytes()[skipped:]


def test_a_state_dict_of_another_network_is_refused(tmp_path, files):
    cfg, weights, _ = files
    convert_weights(cfg, weights, tmp_path / "other.safetensors")
    with pytest.raises(RuntimeError, match="Missing key"):
        load_network("cifar-small", tmp_path / "other.safetensors")


def test_a_folded_network_has_no_weights_file(tmp_path, files):
    cfg, weights, _ = files
    model = load_network(cfg, weights).fold_batch_norm()
    with pytest.raises(RuntimeError, match="folded"):
        model.save_weights(tmp_path / "x.weights")
    with pytest.raises(RuntimeError, match="folded"):
        model.load_weights(weights)
