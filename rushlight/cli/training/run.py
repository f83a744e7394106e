"""A whole run of `rushlight train`: its folder, from the options to the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import rushlight
from rushlight.cli.errors import CommandError
from rushlight.cli.files import write_bytes_atomically, write_json_atomically, write_text_atomically
from rushlight.cli.training import figures, networks
from rushlight.cli.training.batches import ShuffledBatches, channel_statistics
from rushlight.cli.training.checkpoint import LAST, load_checkpoint, read_run_configuration
from rushlight.cli.training.configuration import (
    Configuration,
    merge,
    read_configuration_file,
)
from rushlight.cli.training.folder import create_folder, default_folder, resumed, running
from rushlight.cli.training.page import run_page
from rushlight.cli.training.pictures import InputFormat, pad_to, with_channels
from rushlight.cli.training.progress import Reporter, as_clock, make_reporter
from rushlight.cli.training.sources import ImageData, load_data
from rushlight.cli.training.trainer import Trainer, check_device, metrics_text, seed_everything

# These say where and how fast a run goes on, not what it computes: they may change on resuming.
FREE_ON_RESUME = ("workers", "device", "data_dir")

# Networks of fewer parameters train on one thread (see `threads_for`).
SMALL = 1_000_000


def train(
    options: dict[str, Any],
    out: str | None = None,
    resume: str | None = None,
    config_file: str | None = None,
) -> Path:
    """Train, or continue the run in folder `resume`; return the run folder.

    `options` holds what was given on the command line, by the names of `Configuration`.
    Raises CommandError with the one line to print.

    Example:
        >>> train({"epochs": 2, "batch_size": 32}, out="runs/short")
        PosixPath('runs/short')
    """
    from_file = read_configuration_file(config_file) if config_file else {}
    if resume is not None:
        run, given = Path(resume), {**from_file, **_given(options)}
        stored = read_run_configuration(run)["options"]
        configuration = resumed(run, Configuration, stored, given, FREE_ON_RESUME)
    else:
        configuration = merge(from_file, options).completed()
        name = f"{Path(configuration.data).name}-{configuration.model}"
        run = Path(out) if out else default_folder(name)
    networks.check_model(configuration.model)
    check_device(configuration.device)
    if resume is None:
        create_folder(run)
    reporter = make_reporter()
    with running(run, "train", reporter):
        _train_in(run, configuration, resume is not None, reporter)
    return run


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def threads_for(parameters: int) -> Iterator[None]:
    """One thread for a small network: its products are too short to share, and on a busy machine
    the threads of a BLAS wait for each other longer than they compute."""
    before = rushlight.get_num_threads()
    if parameters < SMALL:
        rushlight.set_num_threads(1)
    try:
        yield
    finally:
        rushlight.set_num_threads(before)


@contextmanager
def same_bits() -> Iterator[None]:
    """Two runs give the same bits, also where one of them is interrupted and resumed."""
    before = rushlight.are_deterministic_algorithms_enabled()
    rushlight.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        rushlight.use_deterministic_algorithms(before)


def _train_in(run: Path, configuration: Configuration, resume: bool, reporter: Reporter) -> None:
    fixed_size = networks.FIXED_SIZE.get(configuration.model)
    data = load_data(configuration, fixed_size, reporter.note)
    input_format = _prepare(data, configuration)
    seed_everything(configuration.seed)
    model = networks.build_model(configuration.model, input_format.channels, len(data.classes))
    parameters = sum(p.numel() for p in model.parameters())
    config = {
        "rushlight": str(rushlight.__version__),
        "options": asdict(configuration),
        "input": input_format.to_dict(),
        "classes": list(data.classes),
        "train_images": len(data.train_images),
        "test_images": len(data.test_images),
        "parameters": parameters,
    }
    batches = ShuffledBatches(
        data.train_images,
        data.train_labels,
        input_format,
        configuration.batch_size,
        configuration.augment or data.augment,
        configuration.seed,
    )
    trainer = Trainer(
        configuration, model, batches, data.test_images, data.test_labels, input_format, run,
        reporter,
    )  # fmt: skip
    if resume and (run / LAST).exists():
        trainer.restore(load_checkpoint(run / LAST))
    if not resume:
        write_json_atomically(run / "config.json", config)
    reporter.note(_opening(configuration, config, trainer, run))
    with threads_for(parameters), same_bits():
        trainer.train()
    if trainer.test_outputs is None:  # resumed after the last epoch: only the report was missing
        trainer.evaluate()
    _write_report(run, config, trainer, data, reporter)


def _prepare(data: ImageData, configuration: Configuration) -> InputFormat:
    """Bring the pictures to the network's channels and size, in place of the originals."""
    channels = networks.channels_of(configuration.model, data.train_images.shape[1])
    content = data.train_images.shape[2]
    size = networks.input_size(configuration.model, content)
    if size < content:
        raise CommandError(
            f"--model {configuration.model} takes pictures of {size}x{size}, these are {content}"
        )
    mean, std = channel_statistics(with_channels(data.train_images, channels))
    data.train_images = pad_to(with_channels(data.train_images, channels), size)
    data.test_images = pad_to(with_channels(data.test_images, channels), size)
    return InputFormat(channels, content, size, mean, std)


def _opening(
    configuration: Configuration, config: dict[str, Any], trainer: Trainer, run: Path
) -> str:
    if trainer.epoch >= configuration.epochs:
        return f"{run}: all {configuration.epochs} epochs are done"
    start = f"continuing after epoch {trainer.epoch}" if trainer.epoch else "training"
    source = configuration.data
    return (
        f"{start}: {configuration.model} ({config['parameters']:,} parameters) on {source} "
        f"({config['train_images']:,} + {config['test_images']:,} pictures, "
        f"{len(config['classes'])} classes), {configuration.epochs} epochs, {configuration.device}"
        f" -> {run}"
    )


def _write_report(
    run: Path, config: dict[str, Any], trainer: Trainer, data: ImageData, reporter: Reporter
) -> None:
    outputs = trainer.test_outputs
    labels, classes = data.test_labels, data.classes
    matrix = figures.confusion_matrix(labels, outputs.argmax(1), len(classes))
    summary = _summary(config, trainer, matrix, classes)
    write_json_atomically(run / "summary.json", summary)
    write_text_atomically(run / "metrics.jsonl", metrics_text(trainer.history))
    pictures: dict[str, bytes] = {}
    try:
        pictures["curves.png"] = figures.curves(trainer.history)
        pictures["confusion_matrix.png"] = figures.confusion_picture(matrix, classes)
        shifted = np.exp(outputs - outputs.max(1, keepdims=True))
        probabilities = shifted / shifted.sum(1, keepdims=True)
        pictures["predictions.png"] = figures.predictions_picture(
            data.test_images, labels, probabilities, classes
        )
    except ModuleNotFoundError as error:
        reporter.note(f"no pictures: {error.name} is missing; pip install 'rushlight[cli]'")
    for name, content in pictures.items():
        write_bytes_atomically(run / name, content)
    page = run_page(str(run), config, summary, trainer.history, pictures)
    write_text_atomically(run / "report.html", page)
    reporter.note(
        f"test accuracy {summary['test_accuracy']:.2%}, "
        f"{summary['images_per_second']:,.0f} images/s, {as_clock(summary['seconds'])} in all; "
        f"see {run / 'report.html'}"
    )


def _summary(
    config: dict[str, Any], trainer: Trainer, matrix: np.ndarray, classes: tuple[str, ...]
) -> dict[str, Any]:
    last = trainer.history[-1]
    seen = config["train_images"] * trainer.epoch
    per_class = {
        name: round(float(matrix[i, i] / max(1, matrix[i].sum())), 6)
        for i, name in enumerate(classes)
    }
    return {
        "test_accuracy": last["test_accuracy"],
        "test_loss": last["test_loss"],
        "best_test_accuracy": trainer.best["test_accuracy"],
        "best_epoch": trainer.best["epoch"],
        "per_class_accuracy": per_class,
        "images_per_second": round(seen / max(trainer.training_seconds, 1e-9), 1),
        "parameters": config["parameters"],
        "epochs": trainer.epoch,
        "seconds": round(sum(row["seconds"] for row in trainer.history), 1),
    }
