"""A YOLO network's forward pass, one picture, beside the same network in PyTorch.

    python benchmarks/darknet.py [--cfg yolov3] [--size 416] [--threads 2] [--rounds 7]

Both run the network of a shipped cfg file with the same random weights, in one process, taking
turns, up to the raw maps of the heads; medians are printed. Batch normalisation is folded into the
convolutions, as `rushlight detect` does; PyTorch runs twice, as the network is trained and folded
too. The ratio is PyTorch's time by rushlight's: above 1 rushlight is faster. The results are
compared before anything is timed, and what rushlight compiles is waited for.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import rushlight  # noqa: E402
from benchmarks.measure import CLOCKS, settle, take_turns  # noqa: E402
from rushlight import darknet  # noqa: E402


def torch_network(torch: Any, model: darknet.Darknet, fold: bool) -> Callable[[Any], list[Any]]:
    """The network of `model` in PyTorch's own modules, with its weights, in eval mode.

    Knows the sections that the shipped detectors have.
    """
    nn = torch.nn
    layers = []
    channels = [model.net_info.integer("channels", 3)]
    for layer in model.layers:
        kind, block = layer.block["type"], layer.block
        given = channels[-1]
        module = None
        if kind == "convolutional":
            module = _convolution(torch, model, layer, given, fold)
        elif kind == "upsample":
            module = nn.Upsample(scale_factor=block.integer("stride", 2), mode="nearest")
        elif kind == "maxpool":
            size, stride = block.integer("size", 1), block.integer("stride", 1)
            pool = nn.MaxPool2d(size, stride, 0 if stride > 1 or size % 2 == 0 else size // 2)
            even = size % 2 == 0 and stride == 1
            around = nn.ConstantPad2d((0, size - 1, 0, size - 1), float("-inf"))
            module = nn.Sequential(around, pool) if even else pool
        layers.append((kind, layer, module))
        channels.append(layer.output.channels)
    kept = {source for layer in model.layers for source in layer.sources or ()}

    def forward(x: Any) -> list[Any]:
        outputs: dict[int, Any] = {}
        heads = []
        with torch.no_grad():
            for kind, layer, module in layers:
                if module is not None:
                    x = module(x)
                elif kind == "route":
                    parts = [outputs[source] for source in layer.sources]
                    groups = layer.block.integer("groups", 1)
                    if groups > 1:
                        part = layer.block.integer("group_id", 0)
                        parts = [each.chunk(groups, 1)[part] for each in parts]
                    x = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
                elif kind == "shortcut":
                    for source in layer.sources[1:]:
                        x = x + outputs[source]
                else:
                    heads.append(x)
                if layer.index in kept:
                    outputs[layer.index] = x
        return heads

    return forward


def _convolution(torch: Any, model: darknet.Darknet, layer: Any, given: int, fold: bool) -> Any:
    nn, block = torch.nn, layer.block
    size, stride = block.integer("size", 1), block.integer("stride", 1)
    normalized = bool(block.integer("batch_normalize", 0))
    conv = nn.utils.skip_init(nn.Conv2d, given, layer.output.channels, size, stride, size // 2,
                              bias=not normalized)  # fmt: skip
    parts = [conv]
    if normalized:
        parts.append(nn.BatchNorm2d(layer.output.channels))
    ours = model.module_list[layer.index]
    with torch.no_grad():
        for target, source in zip(parts, ours.children()):
            for name, value in source.state_dict().items():
                target.state_dict()[name].copy_(torch.from_numpy(value.numpy()))
    if fold and normalized:
        parts = [nn.utils.fusion.fuse_conv_bn_eval(parts[0].eval(), parts[1].eval())]
    if block["activation"] == "leaky":
        parts.append(nn.LeakyReLU(0.1, inplace=True))
    return nn.Sequential(*parts).eval()


def _set_weights(model: darknet.Darknet) -> None:
    """Random weights of the size of He's, drawn by NumPy: faster than the modules' own."""
    generator = np.random.default_rng(0)
    with rushlight.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4:
                values = generator.standard_normal(tuple(parameter.shape), np.float32)
                values *= np.float32((2 / values[0].size) ** 0.5)
                parameter.copy_(rushlight.tensor(values))


def make_runners(name: str, size: int, threads: int) -> dict[str, Callable[[], Any]]:
    """{label: function that runs one forward pass}; results are checked to agree."""
    rushlight.manual_seed(0)
    rushlight.set_num_threads(threads)
    model = darknet.Darknet(name).eval()
    _set_weights(model)
    pictures = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    runners: dict[str, Callable[[], Any]] = {}
    theirs: dict[str, Callable[[Any], list[Any]]] = {}
    if importlib.util.find_spec("torch"):
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(threads)
        given = torch.from_numpy(pictures)
        theirs = {
            "PyTorch": torch_network(torch, model, False),
            "PyTorch, folded": torch_network(torch, model, True),
        }
    model.fold_batch_norm()
    ours = rushlight.tensor(pictures)

    def run() -> list[np.ndarray]:
        with rushlight.no_grad():
            return [raw.numpy() for raw in model(ours, raw=True)]

    found = run()
    runners["rushlight"] = run
    for label, forward in theirs.items():
        for mine, other in zip(found, forward(given), strict=True):
            largest = float(np.abs(other.numpy()).max())
            assert float(np.abs(mine - other.numpy()).max()) <= 1e-3 * largest, label
        runners[label] = lambda forward=forward: forward(given)
    return runners


def _library(label: str) -> Any:
    """The module that a runner's label stands for."""
    return rushlight if label == "rushlight" else importlib.import_module("torch")


def main() -> None:
    """Measure, print a table, optionally write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cfg", default="yolov3", choices=darknet.shipped_cfgs())
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--settle", type=float, default=60.0, help="seconds of warm-up at most")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: one thread's")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads != 1:
        parser.error("--clock cpu needs --threads 1: the processor time of threads adds up")
    runners = make_runners(options.cfg, options.size, options.threads)
    estimates = {
        label: settle(_library(label), run, options.settle)
        for label, run in runners.items()
    }
    turns = take_turns(runners, estimates, options.rounds, CLOCKS[options.clock])
    medians = {label: statistics.median(times) * 1e3 for label, times in turns.items()}
    print(
        f"{options.cfg}, 1 x 3 x {options.size} x {options.size}, forward, {options.threads} "
        f"thread(s), {options.clock} time, medians of {options.rounds}"
    )
    for label, value in medians.items():
        ratio = value / medians["rushlight"]
        print(f"{label:<18}{value:10.1f} ms{'' if label == 'rushlight' else f'{ratio:8.2f}'}")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
