"""Notes 3.3: YOLOv3 from a Darknet cfg file: parse_cfg, create_modules, forward, detection.

The notes give the two functions with parts left out. Here they are completed as a reader would,
run as typed, and held against `rushlight.darknet`, which has both under the same names.
"""

import numpy as np
import pytest

from tests.notes.subject import REFERENCE, nn, run_notes, teaches, torch

darknet = pytest.importorskip("rushlight.darknet")

# The notes' code with what they leave out filled in. What is theirs is as they have it, but for
# the slip in Conv2d's arguments (tested below).
CODE = '''
import torch
import torch.nn as nn
import torch.nn.functional as F

def parse_cfg(cfgfile):
    block = {}
    blocks = []
    lines = [line.split('#')[0].strip() for line in open(cfgfile)]
    for line in lines:
        if not line:
            continue
        if line[0] == "[":
            if block:
                blocks.append(block)
            block = {"type": line[1:-1].strip()}
        else:
            key, value = line.split("=")
            block[key.strip()] = value.replace(" ", "")
    blocks.append(block)
    return blocks

def create_modules(blocks):
    net_info = blocks[0]
    module_list = nn.ModuleList()
    output_filters = []
    prev_filters = 3
    for index, x in enumerate(blocks[1:]):
        module = nn.Sequential()
        if (x["type"] == "convolutional"):
            filters, kernel_size, stride = int(x["filters"]), int(x["size"]), int(x["stride"])
            pad = (kernel_size - 1) // 2 if int(x["pad"]) else 0
            bias = not int(x.get("batch_normalize", 0))
            conv = nn.Conv2d(prev_filters, filters, kernel_size, stride, pad, bias=bias)
            module.add_module("conv_{0}".format(index), conv)
            if not bias:
                bn = nn.BatchNorm2d(filters)
                module.add_module("batch_norm_{0}".format(index), bn)
            if x["activation"] == "leaky":
                module.add_module("leaky_{0}".format(index), nn.LeakyReLU(0.1))
        elif (x["type"] == "upsample"):
            module.add_module("upsample_{0}".format(index),
                              nn.Upsample(scale_factor=int(x["stride"]), mode="nearest"))
        elif (x["type"] == "route"):
            layers = [int(each) for each in x["layers"].split(",")]
            filters = sum(output_filters[each if each > 0 else index + each] for each in layers)
        module_list.append(module)
        prev_filters = filters
        output_filters.append(filters)
    return (net_info, module_list)

def forward(blocks, module_list, x):
    outputs, raw = [], []
    for index, block in enumerate(blocks[1:]):
        if block["type"] in ("convolutional", "upsample"):
            x = module_list[index](x)
        elif block["type"] == "route":
            layers = [int(each) for each in block["layers"].split(",")]
            x = torch.cat([outputs[each if each > 0 else index + each] for each in layers], 1)
        elif block["type"] == "shortcut":
            x = outputs[index - 1] + outputs[index + int(block["from"])]
        elif block["type"] == "yolo":
            raw.append(x)
        outputs.append(x)
    return raw
'''

CFG = """
[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=4
size=1
stride=1
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky

[shortcut]
from=-3
activation=linear

# large objects
[convolutional]
batch_normalize=1
filters=16
size=3
stride=2
pad=1
activation=leaky

[convolutional]
size=1
stride=1
pad=1
filters=14
activation=linear

[yolo]
mask = 1,2
anchors = 10,13,  16,30,  33,23
classes=2
num=3

[route]
layers = -3

[upsample]
stride=2

[route]
layers = -1, 3

[convolutional]
size=1
stride=1
pad=1
filters=14
activation=linear

[yolo]
mask = 0,1
anchors = 10,13,  16,30,  33,23
classes=2
num=3
"""


@pytest.fixture
def cfg(tmp_path):
    path = tmp_path / "small.cfg"
    path.write_text(CFG)
    return str(path)


def test_parse_cfg_returns_a_list_of_dicts(cfg):
    scope, _ = run_notes(CODE)
    blocks = darknet.parse_cfg(cfg)
    assert [dict(block) for block in blocks] == scope["parse_cfg"](cfg)
    assert blocks[0]["type"] == "net" and all(isinstance(block, dict) for block in blocks)
    assert len(blocks) == 13


def test_create_modules_makes_the_same_modules(cfg):
    scope, _ = run_notes(CODE)
    blocks = darknet.parse_cfg(cfg)
    net_info, theirs = scope["create_modules"](blocks)
    assert net_info is blocks[0] and isinstance(theirs, nn.ModuleList) and len(theirs) == 12
    ours_info, ours = darknet.create_modules(blocks)
    assert ours_info is blocks[0] and len(ours) == 12
    shapes = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    assert {name: tuple(value.shape) for name, value in ours.state_dict().items()} == shapes
    assert list(dict(ours[0].named_children())) == ["conv_0", "batch_norm_0", "leaky_0"]
    assert repr(ours[0]) == repr(theirs[0])


def test_forward_gives_what_the_reader_s_loop_gives(cfg):
    scope, _ = run_notes(CODE)
    torch.manual_seed(0)
    _, module_list = scope["create_modules"](scope["parse_cfg"](cfg))
    model = darknet.Darknet(cfg)
    state = {name: value.numpy() for name, value in module_list.state_dict().items()}
    ours = __import__("rushlight")
    model.module_list.load_state_dict({name: ours.tensor(v) for name, v in state.items()})
    pictures = np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)
    module_list.eval()
    model.eval()
    theirs = scope["forward"](scope["parse_cfg"](cfg), module_list, torch.tensor(pictures))
    mine = model(ours.tensor(pictures), raw=True)
    assert len(mine) == len(theirs) == 2
    for one, other in zip(mine, theirs):
        assert np.allclose(one.detach().numpy(), other.detach().numpy(), atol=1e-5)
    assert model(ours.tensor(pictures)).shape == (2, 2 * 16 * 16 + 2 * 32 * 32, 7)


def test_the_whole_of_yolov3():
    blocks = darknet.parse_cfg(darknet.cfg_path("yolov3"))
    net_info, module_list = darknet.create_modules(blocks)
    assert net_info["width"] == "416" and len(module_list) == 107
    kinds = [block["type"] for block in blocks[1:]]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    assert counts == {"convolutional": 75, "shortcut": 23, "yolo": 3, "route": 4, "upsample": 2}
    assert sum(p.numel() for p in module_list.parameters()) == 61_949_149


def test_the_slip_of_bias_in_the_place_of_dilation():
    """nn.Conv2d(prev_filters, filters, kernel_size, stride, pad, bias): the sixth is dilation."""
    if REFERENCE:
        with pytest.raises(TypeError):
            nn.Conv2d(3, 8, 3, 1, 1, False)(torch.zeros(1, 3, 8, 8))
        return
    with pytest.warns(UserWarning, match="sixth argument is dilation.* write bias=False"):
        conv = nn.Conv2d(3, 8, 3, 1, 1, False)
    with pytest.raises(RuntimeError, match="dilation should be greater than zero"):
        conv(torch.zeros(1, 3, 8, 8))


def test_the_slip_of_a_branch_without_a_body():
    """The notes' `elif` for upsample has a comment alone: Python says where a body is missing."""
    code = 'for x in []:\n    if x:\n        pass\n    elif x:\n        # left out\n    y = 1\n'
    with pytest.raises(IndentationError, match="elif") as raised:
        run_notes(code)
    assert raised.value.lineno == 6 and teaches(raised.value, "expected an indented block")
