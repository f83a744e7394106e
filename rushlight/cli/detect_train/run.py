"""A whole run of `rushlight detect-train`: its folder, from the options to the report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import rushlight
from rushlight.cli.detect_train import network
from rushlight.cli.detect_train.configuration import Configuration
from rushlight.cli.detect_train.data import load_data
from rushlight.cli.detect_train.progress import make_reporter
from rushlight.cli.detect_train.report import write_report
from rushlight.cli.detect_train.trainer import DetectionTrainer
from rushlight.cli.errors import CommandError
from rushlight.cli.files import write_json_atomically, write_text_atomically
from rushlight.cli.training.checkpoint import LAST, load_checkpoint, read_run_configuration
from rushlight.cli.training.folder import create_folder, default_folder, resumed, running
from rushlight.cli.training.progress import Reporter
from rushlight.cli.training.run import threads_for
from rushlight.cli.training.trainer import seed_everything
from rushlight.darknet.training.labels import DetectionData

# These say where and how fast a run goes on, not what it computes: they may change on resuming.
FREE_ON_RESUME = ("workers",)
NETWORK, NAMES = "network.cfg", "classes.names"


def detect_train(
    options: dict[str, Any], out: str | None = None, resume: str | None = None
) -> Path:
    """Train a detector, or continue the run in folder `resume`; return the run folder.

    `options` holds what was given on the command line, by the names of `Configuration`. The
    folder has all that `rushlight detect` needs: network.cfg, best.weights, classes.names.
    Raises CommandError with the one line to print.

    Example:
        >>> detect_train({"data": "BCCD", "size": "256x192"}, out="runs/cells")
        PosixPath('runs/cells')
    """
    given = {name: value for name, value in options.items() if value is not None}
    if resume is not None:
        run = Path(resume)
        configuration = _resumed(run, given)
    else:
        configuration = Configuration(**given).completed()
        network.cfg_text(configuration.cfg)  # a wrong name is told before a folder is made
        name = f"detect-{Path(configuration.data).stem}"
        run = Path(out) if out else default_folder(name)
        create_folder(run)
    reporter = make_reporter()
    with running(run, "detect-train", reporter):
        _train_in(run, configuration, resume is not None, reporter)
    return run


def _resumed(run: Path, given: dict[str, Any]) -> Configuration:
    content = read_run_configuration(run)
    if content.get("command") != "detect-train":
        raise CommandError(f"{run} is not a run of detect-train")
    return resumed(run, Configuration, content["options"], given, FREE_ON_RESUME)


def _train_in(run: Path, configuration: Configuration, resume: bool, reporter: Reporter) -> None:
    stored = run / NETWORK if resume else None
    text = network.cfg_text(str(stored) if stored else configuration.cfg)
    size = network.input_size(configuration, text)
    data = load_data(configuration, size, reporter.note)
    seed_everything(configuration.seed)
    if stored is None:
        text = network.adapted(text, configuration, data, size)
    model = network.build(text, configuration, data)
    trainer = DetectionTrainer(configuration, model, data, run, reporter)
    if resume and (run / LAST).exists():
        trainer.restore(load_checkpoint(run / LAST))
    config = _describe(configuration, model, data)
    if not resume:
        write_text_atomically(run / NETWORK, text)
        write_text_atomically(run / NAMES, "".join(f"{name}\n" for name in data.names))
        write_json_atomically(run / "config.json", config)
    reporter.note(_opening(config, trainer, run))
    with threads_for(config["parameters"]):
        trainer.train()
    if trainer.results is None:  # resumed after the last epoch: only the report was missing
        trainer.evaluate()
    write_report(run, config, trainer, reporter)


def _describe(configuration: Configuration, model: Any, data: DetectionData) -> dict[str, Any]:
    return {
        "rushlight": str(rushlight.__version__),
        "command": "detect-train",
        "options": asdict(configuration),
        "classes": list(data.names),
        "size": list(model.input_size),
        "train_images": len(data.train),
        "test_images": len(data.test),
        "train_boxes": sum(len(picture.boxes) for picture in data.train),
        "test_boxes": sum(len(picture.boxes) for picture in data.test),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def _opening(config: dict[str, Any], trainer: DetectionTrainer, run: Path) -> str:
    options, epochs = config["options"], config["options"]["epochs"]
    if trainer.epoch >= epochs:
        return f"{run}: all {epochs} epochs are done"
    start = f"continuing after epoch {trainer.epoch}" if trainer.epoch else "training"
    height, width = config["size"]
    return (
        f"{start}: {Path(options['cfg']).stem} ({config['parameters']:,} parameters, "
        f"{width}x{height}) on {options['data']} ({config['train_images']:,} + "
        f"{config['test_images']:,} pictures, {config['train_boxes']:,} + {config['test_boxes']:,} "
        f"boxes, {len(config['classes'])} classes), {epochs} epochs -> {run}"
    )
