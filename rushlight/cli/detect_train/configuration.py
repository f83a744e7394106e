"""What a training run of a detector is asked to do: options, defaults, and their checks."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rushlight.cli.errors import UsageProblem

GENERATED = "generated"
FLIPS = ("none", "horizontal", "both")
SMALL_NETWORK = "yolo-small"

# Measured with yolo-small on generated pictures: a mean average precision of 0.81.
DEFAULT_PICTURES = 3000
DEFAULT_EPOCHS = {GENERATED: 13}
DEFAULT_EPOCHS_OF_OTHERS = 100
TEST_SHARE = 10  # one generated test picture for so many to train on
EVALUATIONS = 5  # in a whole run, unless --evaluate-every says otherwise


@dataclass
class Configuration:
    """Everything that decides the outcome of a run; `None` means "from the cfg or the data".

    Example:
        >>> Configuration(epochs=3).completed().data
        'generated'
    """

    data: str = GENERATED
    cfg: str = SMALL_NETWORK
    weights: str | None = None
    cutoff: int | None = None
    size: str | None = None
    epochs: Any = None
    batch_size: int | None = None
    lr: float | None = None
    jitter: float | None = None
    flip: str | None = None
    mosaic: float | None = None
    multi_scale: float | None = None
    pictures: int = DEFAULT_PICTURES
    evaluate_every: Any = None
    seed: int = 0
    workers: int = 1

    def completed(self) -> Configuration:
        """Check every value and fill the ones that follow from others.

        Raises UsageProblem with one line that names the option.
        """
        result = Configuration(**asdict(self))
        result._check()
        if result.epochs is None:
            result.epochs = DEFAULT_EPOCHS.get(result.data, DEFAULT_EPOCHS_OF_OTHERS)
        if result.evaluate_every is None:
            result.evaluate_every = -(-result.epochs // EVALUATIONS)
        for name in ("data", "weights"):
            value = getattr(result, name)
            if value is not None and value != GENERATED:
                setattr(result, name, str(Path(value).expanduser().resolve()))
        if Path(result.cfg).expanduser().exists():
            result.cfg = str(Path(result.cfg).expanduser().resolve())
        return result

    @property
    def input_size(self) -> tuple[int, int] | None:
        """The (height, width) that --size names, or None."""
        if self.size is None:
            return None
        wide, _, high = self.size.partition("x")
        return int(high or wide), int(wide)

    def _check(self) -> None:
        if self.data != GENERATED and not Path(self.data).expanduser().exists():
            raise UsageProblem(f"--data {self.data!r}: no such folder or .data file")
        if self.flip is not None and self.flip not in FLIPS:
            raise UsageProblem(f"--flip {self.flip!r} is not one of {', '.join(FLIPS)}")
        if self.size is not None:
            if not re.fullmatch(r"\d{2,4}(x\d{2,4})?", self.size):
                raise UsageProblem(f"--size {self.size!r}: a number, or WIDTHxHEIGHT as in 256x192")
            if any(side % 32 for side in self.input_size or ()):
                raise UsageProblem(f"--size {self.size}: the sides must be multiples of 32")
        for name, least in (
            ("epochs", 1), ("batch_size", 1), ("pictures", 10), ("evaluate_every", 1),
            ("seed", 0), ("workers", 0), ("cutoff", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageProblem(f"--{name.replace('_', '-')} must be at least {least}: {value}")
        for name, least, most in (
            ("lr", 1e-12, 1e6), ("jitter", 0.0, 0.9), ("mosaic", 0.0, 1.0),
            ("multi_scale", 0.0, 3.0),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                option = name.replace("_", "-")
                raise UsageProblem(f"--{option} must lie between {least:g} and {most:g}: {value}")
        if self.cutoff is not None and self.weights is None:
            raise UsageProblem("--cutoff says how many layers to take from --weights: give both")
