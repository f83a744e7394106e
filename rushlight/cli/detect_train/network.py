"""The network of a run: its cfg, where it is our small one adapted to the data; first weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import rushlight
from rushlight.cli.detect_train.configuration import GENERATED, SMALL_NETWORK, Configuration
from rushlight.cli.errors import CommandError, UsageProblem
from rushlight.darknet import (
    CfgError,
    Darknet,
    WeightsError,
    cfg_path,
    parse_cfg_text,
    shipped_cfgs,
)
from rushlight.darknet.training.anchors import fit_anchors
from rushlight.darknet.training.labels import DetectionData, open_picture
from rushlight.darknet.training.loss import check_heads
from rushlight.darknet.weights import load_weights

# How often a place answers for an object, at first: objectness starts near its mean, so that the
# many empty places do not drown the few others.
PRIOR = 0.01

LOOKED_AT = 200  # pictures whose sizes the anchors are fitted to


def cfg_text(cfg: str) -> str:
    """Return the text of a cfg file, given its path or the name of a shipped one."""
    try:
        path = cfg_path(cfg) if cfg in shipped_cfgs() and not Path(cfg).exists() else cfg
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(
            f"--cfg {cfg!r} cannot be read ({getattr(error, 'strerror', None) or error}); "
            f"shipped ones: {', '.join(shipped_cfgs())}"
        ) from None


def input_size(configuration: Configuration, text: str) -> tuple[int, int]:
    """Return the (height, width) that --size or the [net] section names."""
    if configuration.input_size is not None:
        return configuration.input_size
    net = parse_text(text)[0]
    return net.integer("height", 1), net.integer("width", 1)


def parse_text(text: str) -> Any:
    """Parse a cfg; CommandError with the line that is wrong."""
    try:
        return parse_cfg_text(text, "network.cfg")
    except CfgError as error:
        raise CommandError(f"--cfg: {error}") from None


def adapted(
    text: str, configuration: Configuration, data: DetectionData, size: tuple[int, int]
) -> str:
    """Return the cfg of the run: --size put in; the small network fitted to the data's classes and
    box sizes. Another cfg must have the data's number of classes already."""
    values: dict[str, dict[str, Any]] = {"net": {"width": size[1], "height": size[0]}}
    if configuration.cfg == SMALL_NETWORK and configuration.data != GENERATED:
        classes = len(data.names)
        anchors = fit_anchors(_box_sizes(data, size), 6).round().clip(1)
        pairs = ", ".join(f"{wide:.0f},{high:.0f}" for wide, high in anchors)
        values["yolo"] = {"classes": classes, "anchors": pairs}
        values["before yolo"] = {"filters": 3 * (5 + classes)}
        values["net"]["flip"] = 1
    return with_values(text, values)


def with_values(text: str, values: dict[str, dict[str, Any]]) -> str:
    """Return a cfg text with options replaced in all sections of a type; comments stay.

    "before yolo" stands for the section before each [yolo]. Options a section has not are added.

    Example:
        >>> with_values("[net]\\nwidth=8\\n", {"net": {"width": 16, "flip": 1}})
        '[net]\\nwidth=16\\nflip=1\\n'
    """
    sections: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip().startswith("["):
            sections.append([])
        sections[-1].append(line)
    kinds = [part[0].strip().strip("[]") if part else "" for part in sections]
    for place, part in enumerate(sections):
        wanted = dict(values.get(kinds[place], {}))
        if place + 1 < len(kinds) and kinds[place + 1] == "yolo":
            wanted.update(values.get("before yolo", {}))
        for number, line in enumerate(part):
            key = line.partition("=")[0].strip()
            if key in wanted:
                part[number] = f"{key}={wanted.pop(key)}"
        filled = max((n for n, line in enumerate(part) if line.strip()), default=-1) + 1
        part[filled:filled] = [f"{key}={value}" for key, value in wanted.items()]
    return "\n".join(line for part in sections for line in part) + "\n"


def _box_sizes(data: DetectionData, size: tuple[int, int]) -> np.ndarray:
    """The boxes' (width, height) in pixels of the input, over some of the pictures."""
    step = max(1, len(data.train) // LOOKED_AT)
    sizes = []
    for picture in data.train[::step]:
        if len(picture.boxes):
            high, wide = (1, 1) if picture.fractions else open_picture(picture).shape[:2]
            sides = picture.boxes[:, 2:] - picture.boxes[:, :2]
            sizes.append(sides / [wide, high] * [size[1], size[0]])
    return np.concatenate(sizes)


def build(text: str, configuration: Configuration, data: DetectionData) -> Darknet:
    """Return the network with its first weights, checked against the data."""
    try:
        model = Darknet(parse_text(text))
        check_heads(model.heads)
    except (CfgError, ValueError) as error:
        raise CommandError(f"--cfg: {error}") from None
    classes = model.heads[0].classes
    if classes != len(data.names):
        raise CommandError(
            f"--cfg has classes={classes}, the data {len(data.names)}: set classes= in each [yolo] "
            f"and filters={len(model.heads[0].mask) * (5 + len(data.names))} in the section before"
        )
    if configuration.weights is None:
        start_from_rare_objects(model)
        return model
    try:
        load_weights(model, configuration.weights, configuration.cutoff)
    except FileNotFoundError:
        raise UsageProblem(f"--weights {configuration.weights}: no such file") from None
    except WeightsError as error:
        raise CommandError(f"--weights: {error}") from None
    return model


@rushlight.no_grad()
def start_from_rare_objects(model: Darknet) -> None:
    """Set the biases of objectness so that each place says PRIOR at first.

    Source: arXiv:1708.02002, section 4.1.
    """
    for layer in model.layers:
        if layer.head and layer.index:
            head = model.module_list[layer.index][0]
            before = getattr(model.module_list[layer.index - 1], f"conv_{layer.index - 1}", None)
            if before is not None and before.bias is not None and not head.new_coords:
                planes = before.bias.view(len(head.mask), 5 + head.classes)
                planes[:, 4] = -math.log((1 - PRIOR) / PRIOR)
