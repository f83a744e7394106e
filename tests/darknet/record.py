"""Record what PyTorch gives for `cases.py`: python -m tests.darknet.record (needs PyTorch)."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.darknet import cases
from tests.darknet.data import network_files, shared_data
from tests.darknet.reference import Reference

RECORDED = Path(__file__).with_name("recorded.json")
DETECTIONS = Path(__file__).with_name("detections.json")


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


def overlap(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, high)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def found_by_pytorch(network, path, threshold=0.25, limit=0.45):
    """[[class, score, x1, y1, x2, y2]] on a picture, best first; the picture is stretched."""
    picture = Image.open(path).convert("RGB")
    width, height = int(network.net["width"]), int(network.net["height"])
    scaled = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)
    with torch.no_grad():
        rows = network.detections(torch.from_numpy(scaled.transpose(2, 0, 1)[None] / 255))[0]
    scale = np.array([picture.width / width, picture.height / height] * 2)
    kept = []
    scores = rows[:, 4:5] * rows[:, 5:]
    for score, place in sorted(zip(*where(scores, threshold)), reverse=True):
        row, number = place
        x, y, w, h = rows[row, :4].tolist()
        box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        if all(n != number or overlap(box, other) <= limit for n, _, other in kept):
            kept.append((number, score, box))
    edges = (picture.width, picture.height) * 2
    return [
        [n, round(s, 5), *(round(min(max(v * k, 0), e), 2) for v, k, e in zip(b, scale, edges))]
        for n, s, b in kept
    ]


def where(scores, threshold):
    places = (scores > threshold).nonzero().tolist()
    return [float(scores[row, column]) for row, column in places], places


def record_detections():
    found = {}
    for name in ("yolo-fastest-1.1", "yolo-fastest-1.1-xl"):
        network = Reference(*network_files(name))
        for path in sorted((shared_data() / "pictures").glob("*.jpg")):
            found[f"{name} {path.stem}"] = found_by_pytorch(network, path)
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    DETECTIONS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


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
    if shared_data() is not None:
        record_detections()


if __name__ == "__main__":
    main()
