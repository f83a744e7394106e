"""What a training run is asked to do: options, configuration file, defaults, and their checks."""

from __future__ import annotations

import difflib
import importlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rushlight.cli.errors import UsageProblem

DATA_NAMES = ("sample", "fashion-mnist", "mnist", "cifar10")
AUGMENTATIONS = ("none", "flip", "shift", "flip-shift")
SCHEDULERS = ("cosine", "onecycle", "linear", "step", "exponential", "none")

# name: (class in rushlight.optim, default learning rate, further arguments)
OPTIMIZERS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "sgd": ("SGD", 0.02, {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
    "adam": ("Adam", 0.002, {}),
    "adamw": ("AdamW", 0.002, {"weight_decay": 0.01}),
    "nadam": ("NAdam", 0.002, {}),
    "radam": ("RAdam", 0.002, {}),
    "adamax": ("Adamax", 0.002, {}),
    "adagrad": ("Adagrad", 0.01, {}),
    "adadelta": ("Adadelta", 1.0, {}),
    "rmsprop": ("RMSprop", 0.001, {"momentum": 0.9}),
}

# Measured with the notes' LeNet: test accuracy has flattened by then for each of these.
DEFAULT_EPOCHS = {"sample": 11, "fashion-mnist": 5, "mnist": 5, "cifar10": 12}
DEFAULT_EPOCHS_OF_A_FOLDER = 12
# The small sample gains a point from a higher, warmed-up rate.
SAMPLE_SCHEDULER, SAMPLE_LR = "onecycle", 0.05


@dataclass
class Configuration:
    """Everything that decides the outcome of a run; `None` means "chosen from the data".

    Example:
        >>> Configuration(epochs=3, optimizer="adam").completed().lr
        0.002
    """

    data: str = "sample"
    data_dir: str = "data"
    model: str = "lenet"
    epochs: Any = None  # an int, and lr a float, once completed
    batch_size: int = 64
    lr: Any = None
    optimizer: str = "sgd"
    scheduler: Any = None  # a name, once completed
    augment: str | None = None
    image_size: int | None = None
    seed: int = 0
    workers: int = 0
    device: str = "cpu"
    amp: bool = False

    def completed(self) -> Configuration:
        """Check every value and fill the ones that follow from others.

        Raises UsageProblem with one line that names the option.
        """
        result = Configuration(**asdict(self))
        result._check()
        if result.epochs is None:
            result.epochs = DEFAULT_EPOCHS.get(result.data, DEFAULT_EPOCHS_OF_A_FOLDER)
        if result.scheduler is None:
            result.scheduler = SAMPLE_SCHEDULER if result.data == "sample" else "cosine"
        if result.lr is None:
            warmed = result.scheduler == SAMPLE_SCHEDULER and result.optimizer == "sgd"
            result.lr = SAMPLE_LR if warmed else OPTIMIZERS[result.optimizer][1]
        if result.data not in DATA_NAMES:
            result.data = str(Path(result.data).expanduser().resolve())
        return result

    def _check(self) -> None:
        _one_of("--optimizer", self.optimizer, tuple(OPTIMIZERS))
        if self.scheduler is not None:
            _one_of("--scheduler", self.scheduler, SCHEDULERS)
        if self.augment is not None:
            _one_of("--augment", self.augment, AUGMENTATIONS)
        if self.data not in DATA_NAMES and not Path(self.data).expanduser().is_dir():
            hint = _closest(self.data, DATA_NAMES)
            raise UsageProblem(
                f"--data {self.data!r} is neither a folder nor one of {', '.join(DATA_NAMES)}{hint}"
            )
        _at_least("--epochs", self.epochs, 1)
        _at_least("--batch-size", self.batch_size, 1)
        _at_least("--workers", self.workers, 0)
        _at_least("--seed", self.seed, 0)
        _at_least("--image-size", self.image_size, 8)
        if self.lr is not None and not 0 < self.lr < float("inf"):
            raise UsageProblem(f"--lr must be a positive number, got {self.lr}")


FIELD_TYPES: dict[str, type] = {
    "data": str, "data_dir": str, "model": str, "epochs": int, "batch_size": int, "lr": float,
    "optimizer": str, "scheduler": str, "augment": str, "image_size": int, "seed": int,
    "workers": int, "device": str, "amp": bool,
}  # fmt: skip


def merge(file_values: dict[str, Any], option_values: dict[str, Any]) -> Configuration:
    """Return the configuration: options over the file's values over the defaults."""
    values = {**file_values, **{k: v for k, v in option_values.items() if v is not None}}
    return Configuration(**values)


def read_configuration_file(path: str | Path) -> dict[str, Any]:
    """Read options from a JSON or TOML file (a table of option names, `-` or `_` between words).

    Raises UsageProblem for a file that is missing, malformed, or holds an unknown name or a value
    of the wrong type. TOML needs Python 3.11 or newer; JSON works everywhere.

    Example:
        >>> read_configuration_file("small.json")
        {'epochs': 2, 'batch_size': 32}
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"--config {path}: cannot be read ({_reason(error)})") from None
    loaded = _parse_toml(path, text) if path.suffix.lower() == ".toml" else _parse_json(path, text)
    if not isinstance(loaded, dict):
        raise UsageProblem(f"--config {path}: must hold a table of options")
    return {name: value for name, value in (_entry(path, k, v) for k, v in loaded.items())}


def _entry(path: Path, key: str, value: Any) -> tuple[str, Any]:
    name = key.replace("-", "_")
    if name not in FIELD_TYPES:
        known = tuple(field.name for field in fields(Configuration))
        raise UsageProblem(f"--config {path}: unknown option {key!r}{_closest(name, known)}")
    wanted = FIELD_TYPES[name]
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted and not (value is None and name in _OPTIONAL):
        kind = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageProblem(f"--config {path}: {key} must be {kind[wanted]}, got {value!r}")
    return name, value


_OPTIONAL = ("epochs", "lr", "scheduler", "augment", "image_size")


def _parse_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageProblem(f"--config {path}: not valid JSON ({error})") from None


def _parse_toml(path: Path, text: str) -> Any:
    try:
        tomllib = importlib.import_module("tomllib")  # in the standard library since 3.11
    except ModuleNotFoundError:
        raise UsageProblem(
            f"--config {path}: TOML needs Python 3.11 or newer; write the same table as JSON"
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"--config {path}: not valid TOML ({error})") from None


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageProblem(f"{option} {value!r} is not one of {', '.join(known)}")


def _at_least(option: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UsageProblem(f"{option} must be at least {least}, got {value}")


def _closest(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
