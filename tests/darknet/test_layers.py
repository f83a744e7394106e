"""Every section type against an independent PyTorch model of the same cfg and weights: outputs and
gradients, recorded (always) and live (where PyTorch is installed), in float64."""

import json
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight import darknet
from tests.darknet import cases
from tests.darknet.cases import CASES

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())


def our_results(name, folder):
    cfg, weights, pictures = cases.prepare(name, folder)
    model = darknet.load_network(cfg, weights).double()
    pictures = rushlight.tensor(pictures, requires_grad=True)
    result = model(pictures)
    if result.ndim == 2:
        result = result[:, :, None, None]
    (result * rushlight.tensor(cases.upstream(tuple(result.shape)))).sum().backward()
    gradients = [
        _gradient(model.module_list[layer.index], slot)
        for layer in model.layers
        for slot in layer.slots
    ]
    gradient = pictures.grad
    return (
        result.detach().numpy(),
        gradients,
        np.zeros(pictures.shape) if gradient is None else gradient.numpy(),
    )


def _gradient(module, slot):
    child, _, name = slot.name.partition(".")
    tensor = getattr(getattr(module, child), name)
    return None if tensor.grad is None else tensor.grad.numpy()


def close(ours, theirs, tolerance=1e-9):
    if theirs is None or ours is None:
        return theirs is None and ours is None
    size = max(1.0, np.abs(theirs).max(initial=0))
    return ours.shape == theirs.shape and np.abs(ours - theirs).max(initial=0) <= tolerance * size


def shortened(array, length=12):
    flat = np.asarray(array, np.float64).ravel()
    step = max(1, len(flat) // length)
    weighted = float(flat @ np.cos(np.arange(len(flat))))
    return np.array([*flat[::step][:length], weighted])


def test_there_is_a_case_for_every_section_type():
    text = "\n".join(CASES.values())
    from rushlight.darknet.sections import SECTIONS

    builders = {SECTIONS[kind] for kind in SECTIONS if f"[{kind}]" in text}
    assert builders == set(SECTIONS.values())


@pytest.mark.parametrize("name", CASES)
def test_recorded(name, tmp_path):
    expected = RECORDED[name]
    result, gradients, gradient = our_results(name, tmp_path)
    assert list(result.shape) == expected["shape"]
    assert np.allclose(shortened(result), expected["output"], rtol=1e-7, atol=1e-7)
    assert np.allclose(shortened(gradient), expected["input"], rtol=1e-7, atol=1e-7)
    assert len(gradients) == len(expected["gradients"])
    for ours, theirs in zip(gradients, expected["gradients"]):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert np.allclose(shortened(ours, 4), theirs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_live(name, tmp_path):
    pytest.importorskip("torch", reason="the recorded results are checked without PyTorch")
    from tests.darknet.record import reference_results

    theirs, their_gradients, their_gradient = reference_results(name, tmp_path)
    ours, our_gradients, our_gradient = our_results(name, tmp_path)
    assert close(ours, theirs) and close(our_gradient, their_gradient)
    for mine, other in zip(our_gradients, their_gradients):
        assert close(mine, None if other is None else other.reshape(mine.shape))
