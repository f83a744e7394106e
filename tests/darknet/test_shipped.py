"""Every shipped network against an independent PyTorch model written from its cfg, with the same
weights file: outputs, decoded detections and gradients. Needs PyTorch; the small networks of
test_layers.py have the same checks recorded."""

import numpy as np
import pytest

import rushlight
from rushlight import darknet
from tests.darknet.cases import write_weights

torch = pytest.importorskip("torch", reason="compares with PyTorch itself")
from tests.darknet.reference import Reference, decoded  # noqa: E402

SIZES = {"darknet19": 64, "darknet53": 64, "cifar-small": 32}
TOLERANCE = 1e-4


def relative(ours, theirs):
    """The distance of two arrays by the size of the second, both in float64."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    return np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-30)


@pytest.mark.slow
@pytest.mark.parametrize("name", darknet.shipped_cfgs())
def test_shipped_network_equals_pytorch(name, tmp_path):
    cfg, weights = darknet.cfg_path(name), tmp_path / "random.weights"
    write_weights(weights, darknet.plan_network(darknet.parse_cfg(cfg)))
    model, reference = darknet.load_network(cfg, weights), Reference(cfg, weights)
    side = SIZES.get(name, 96)
    shape = (1, 3, side, side)
    pictures = np.random.default_rng(1).random(shape, dtype=np.float32)
    heads, last = reference.run(torch.from_numpy(pictures))
    theirs = [raw for _, _, raw in heads] or [last.flatten(1)]
    ours = model(rushlight.tensor(pictures), raw=True)
    ours = ours if heads else [ours]
    for mine, other in zip(ours, theirs):
        assert relative(mine.detach().numpy(), other.detach().numpy()) < TOLERANCE
    if heads:
        # exp(tw) of random weights can be infinite, so decoding is compared on smaller numbers.
        small = [raw.detach() / raw.detach().abs().max() for raw in theirs]
        size = (side, side)
        expected = [
            decoded(kind, options, raw, size) for (kind, options, _), raw in zip(heads, small)
        ]
        found = model.decode([rushlight.tensor(raw.numpy()) for raw in small], size)
        assert relative(found.numpy(), torch.cat(expected, 1).numpy()) < TOLERANCE
    factors = [np.random.default_rng(2).normal(0, 1, raw.shape).astype("f4") for raw in theirs]
    sum((raw * torch.from_numpy(f)).sum() for raw, f in zip(theirs, factors)).backward()
    sum((raw * rushlight.tensor(f)).sum() for raw, f in zip(ours, factors)).backward()
    slots = [(layer, slot) for layer in model.layers for slot in layer.slots]
    assert len(slots) == len(reference.weights)
    mine, others = [], []
    for (layer, slot), (_, _, tensor) in zip(slots, reference.weights):
        if "running" not in slot.name:
            child, _, part = slot.name.partition(".")
            gradient = getattr(getattr(model.module_list[layer.index], child), part).grad
            mine.append(gradient.numpy().ravel())
            others.append(tensor.grad.numpy().ravel())
    assert relative(np.concatenate(mine), np.concatenate(others)) < TOLERANCE
