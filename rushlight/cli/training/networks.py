"""The networks `--model` knows, and what input each of them takes."""

from __future__ import annotations

import difflib
from typing import Any

from rushlight.cli.errors import UsageProblem

# The notes' LeNet flattens 16 x 5 x 5 values: pictures of 32 x 32 and no other size.
FIXED_SIZE = {"lenet": 32}
SMALLEST_SIZE = {"alexnet": 64}
ANY_CHANNELS = ("lenet",)
# Without these it returns three outputs in training.
ARGUMENTS = {"googlenet": {"aux_logits": False, "init_weights": True}}


def model_names() -> list[str]:
    """Return the names of the classification networks in `rushlight.vision.models`."""
    from rushlight.vision import models

    return sorted({*models.list_models(module=models), *ANY_CHANNELS})


def check_model(name: str) -> None:
    """Raise UsageProblem with the known names when there is no network `name`."""
    names = model_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageProblem(f"--model {name!r} is not one of {', '.join(names)}{hint}")


def build_model(name: str, channels: int, classes: int) -> Any:
    """Return a freshly initialised network for pictures of `channels` and so many classes."""
    from rushlight.vision import models

    build = getattr(models, name)
    if name in ANY_CHANNELS:
        return build(num_classes=classes, in_channels=channels)
    return build(num_classes=classes, **ARGUMENTS.get(name, {}))


def channels_of(name: str, channels_of_data: int) -> int:
    """Return how many channels the network is given: all but LeNet take three."""
    return channels_of_data if name in ANY_CHANNELS else 3


def input_size(name: str, content: int) -> int:
    """Return the size to pad pictures of `content` pixels to."""
    return FIXED_SIZE.get(name, max(content, 32, SMALLEST_SIZE.get(name, 0)))
