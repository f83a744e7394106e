"""Record what PyTorch gives for `cases.py`: python -m tests.darknet.record (needs PyTorch)."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from tests.darknet import cases
from tests.darknet.reference import Reference

RECORDED = Path(__file__).with_name("recorded.json")


def reference_results(name, folder):
    """Output, and gradients by (layer, name in the reference), of a case in float64."""
    cfg, weights, pictures = cases.prepare(name, folder)
    network = Reference(cfg, weights)
    network.weights = [
        (index, known, tensor.detach().double().requires_grad_())
        for index, known, tensor in network.weights
    ]
    pictures = torch.from_numpy(pictures).requires_grad_()
    heads, last = network.run(pictures)
    result = network.detections(pictures) if heads else last
    (result * torch.from_numpy(cases.upstream(tuple(result.shape)))).sum().backward()
    gradients = [None if t.grad is None else t.grad.numpy() for _, _, t in network.weights]
    gradient = np.zeros(pictures.shape) if pictures.grad is None else pictures.grad.numpy()
    return result.detach().numpy(), gradients, gradient


def shortened(array, length=12):
    """Some of the numbers, evenly spread, and their weighted sum: enough to tell another result."""
    flat = np.asarray(array, np.float64).ravel()
    step = max(1, len(flat) // length)
    weighted = float(flat @ np.cos(np.arange(len(flat))))
    return [round(float(each), 9) for each in [*flat[::step][:length], weighted]]


def main():
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in cases.CASES:
            result, gradients, gradient = reference_results(name, Path(folder))
            found[name] = {
                "shape": list(result.shape),
                "output": shortened(result),
                "gradients": [None if g is None else shortened(g, 4) for g in gradients],
                "input": shortened(gradient),
            }
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
