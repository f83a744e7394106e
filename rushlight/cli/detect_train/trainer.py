"""The training loop of `rushlight detect-train`: an epoch, its test, its row, its checkpoint."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import rushlight
from rushlight import optim
from rushlight.cli.detect_train.configuration import Configuration
from rushlight.cli.errors import CommandError
from rushlight.cli.files import append_json_line, write_text_atomically
from rushlight.cli.training.checkpoint import (
    LAST,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from rushlight.cli.training.progress import Reporter
from rushlight.cli.training.trainer import EpochRequests, metrics_text
from rushlight.darknet import Darknet, save_weights
from rushlight.darknet.training.augmentation import Augmentation
from rushlight.darknet.training.batches import (
    DetectionBatches,
    GridSizes,
    PictureStore,
    head_targets,
)
from rushlight.darknet.training.evaluation import evaluate, scores_of
from rushlight.darknet.training.labels import DataError, DetectionData
from rushlight.darknet.training.loss import YoloLoss
from rushlight.darknet.training.policies import LearningRatePolicy

BEST_WEIGHTS, LAST_WEIGHTS = "best.weights", "last.weights"
CHECKPOINT_FORMAT = 1
PARTS = ("loss", "box", "objectness", "classes")
BURN_IN_SHARE = 0.1  # of a run, at most
MOSAIC_OFF = 0.1  # the last part of a run shows whole pictures, as detection will


class DetectionTrainer:
    """Trains one detector and keeps the run folder up to date after every epoch.

    Example:
        >>> trainer = DetectionTrainer(configuration, model, data, Path("runs/cells"), reporter)
        >>> trainer.train()
        >>> trainer.best["ap50"]
        0.81
    """

    def __init__(
        self, configuration: Configuration, model: Darknet, data: DetectionData, run: Path,
        reporter: Reporter,
    ):  # fmt: skip
        self.configuration, self.model, self.data = configuration, model, data
        self.run, self.reporter = run, reporter
        net, heads = model.net_info, model.heads
        self.size = model.input_size
        self.augmentation = augmentation_of(configuration, model)
        batch_size = configuration.batch_size or net.integer("batch", 1)
        outputs = [layer.output for layer in model.layers if layer.head]
        grids = GridSizes(self.size, tuple((rows, columns) for _, rows, columns in outputs))
        self.batches = DetectionBatches(
            PictureStore(data.train, self.size), heads, grids, batch_size,
            self.augmentation, configuration.seed, most_boxes(data, heads, self.augmentation),
            heads[0].random if configuration.multi_scale is None else configuration.multi_scale,
            mosaic_until=math.ceil(configuration.epochs * (1 - MOSAIC_OFF)),
        )  # fmt: skip
        self.loss = YoloLoss(heads)
        self.policy = policy_of(configuration, model, len(self.batches) * configuration.epochs)
        self.optimizer = build_optimizer(model, self.policy.rate(1))
        self.requests = EpochRequests(self.batches)
        workers = configuration.workers
        self.loader = rushlight.utils.data.DataLoader(
            self.batches,
            batch_size=None,  # an item is a whole batch already
            sampler=self.requests,
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=rushlight.Generator(),
        )
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"epoch": 0, "ap50": -1.0}
        self.training_seconds = 0.0
        self.results: Any = None
        self.scores: Any = None

    # -- the loop ----------------------------------------------------------------------------

    def train(self) -> None:
        """Run the remaining epochs."""
        if self.epoch == 0:
            self.save()
        while self.epoch < self.configuration.epochs:
            started = time.perf_counter()
            row: dict[str, Any] = {"epoch": self.epoch + 1, **self._train_epoch()}
            self.epoch += 1
            row.update(ap50=None, ap=None, lr=self.optimizer.param_groups[0]["lr"])
            last = self.epoch == self.configuration.epochs
            if last or self.epoch % self.configuration.evaluate_every == 0:
                self.evaluate()
                row.update(ap50=_known(self.scores.ap50), ap=_known(self.scores.ap))
            row["seconds"] = round(time.perf_counter() - started, 3)
            self.history.append(row)
            append_json_line(self.run / "metrics.jsonl", row)
            if row["ap50"] is not None and row["ap50"] > self.best["ap50"]:
                self.best = {"epoch": self.epoch, "ap50": row["ap50"], "ap": row["ap"]}
                self._save_weights(BEST_WEIGHTS)
            self.save()
            self.reporter.epoch_end(row, self.configuration.epochs)

    def _train_epoch(self) -> dict[str, float]:
        self.model.train()
        self.requests.epoch = self.epoch
        size = self.batches.batch_size
        total = size * len(self.batches)
        self.reporter.epoch_begin(self.epoch + 1, self.configuration.epochs, total)
        sums = dict.fromkeys(PARTS, 0.0)
        started = time.perf_counter()
        for number, batch in enumerate(self._load()):
            parts = self._step(self.epoch * len(self.batches) + number + 1, batch)
            if not math.isfinite(parts["loss"]):
                raise CommandError(
                    f"the loss became {parts['loss']} in epoch {self.epoch + 1}: lower --lr (it is "
                    f"{self.policy.learning_rate}); checkpoints are in {self.run}"
                )
            for name in PARTS:
                sums[name] += parts[name]
            seen = (number + 1) * size
            rate = seen / (time.perf_counter() - started)
            means = {name: value / (number + 1) for name, value in sums.items()}
            self.reporter.step(seen, means["loss"], means["box"], rate)
        self.training_seconds += time.perf_counter() - started
        return {name: round(value / len(self.batches), 6) for name, value in sums.items()}

    def _load(self) -> Any:
        try:
            yield from self.loader
        except DataError as error:  # from a worker, its text begins with a traceback
            line = str(error).strip().splitlines()[-1].rpartition("DataError: ")[2]
            raise CommandError(f"--data: {line}") from None

    def _step(self, number: int, batch: Any) -> dict[str, float]:
        inputs, boxes, fields = batch
        for group in self.optimizer.param_groups:
            group["lr"] = self.policy.rate(number)
        self.optimizer.zero_grad()
        raw = self.model(inputs, raw=True)
        size = (inputs.shape[2], inputs.shape[3])
        parts = self.loss(raw, head_targets(fields), boxes, size)
        parts.total.backward()
        self.optimizer.step()
        # Read last, so that the whole step is one program.
        return {
            "loss": parts.total.item(), "box": parts.box.item(),
            "objectness": parts.objectness.item(), "classes": parts.classes.item(),
        }  # fmt: skip

    def evaluate(self) -> None:
        """Find the boxes of the test pictures and score them."""
        try:
            self.results = evaluate(
                self.model, self.data.test, self.size, self.augmentation.keep_shape
            )
        except DataError as error:
            raise CommandError(f"--data: {error}") from None
        self.scores = scores_of(self.results, len(self.data.names))

    # -- state -------------------------------------------------------------------------------

    def save(self) -> None:
        """Write last.pt: from it, training continues to the same bits. And last.weights."""
        state = {
            "format": CHECKPOINT_FORMAT,
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random_states(),
            "history": self.history,
            "best": self.best,
            "training_seconds": self.training_seconds,
        }
        save_checkpoint(self.run / LAST, state)
        self._save_weights(LAST_WEIGHTS)

    def _save_weights(self, name: str) -> None:
        save_weights(self.model, self.run / name)

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state, and make metrics.jsonl end where it does."""
        if state.get("format") != CHECKPOINT_FORMAT:
            raise CommandError(f"{self.run / LAST} was written by another version of rushlight")
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            restore_random_states(state["random"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CommandError(f"{self.run / LAST} does not fit this run: {error}") from None
        self.epoch, self.history, self.best = state["epoch"], state["history"], state["best"]
        self.training_seconds = state["training_seconds"]
        write_text_atomically(self.run / "metrics.jsonl", metrics_text(self.history))


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else round(value, 6)


def augmentation_of(configuration: Configuration, model: Darknet) -> Augmentation:
    """Return how pictures are changed: options over the cfg's [net] and [yolo] sections."""
    try:
        how = Augmentation.from_options(model.net_info, model.heads[0].jitter)
    except ValueError as error:
        raise CommandError(f"--cfg: [net] {error}") from None
    values = {name: getattr(configuration, name) for name in ("jitter", "flip", "mosaic")}
    given = {name: value for name, value in values.items() if value is not None}
    return Augmentation(**{**vars(how), **given})


def most_boxes(data: DetectionData, heads: list[Any], how: Augmentation) -> int:
    """Return how many boxes a batch has room for on each picture: padding costs time."""
    counts = [len(picture.boxes) for picture in data.train]
    room = max(counts, default=1) * (2 if how.mosaic else 1)
    return max(1, min(heads[0].max_boxes, -(-room // 8) * 8))


def policy_of(configuration: Configuration, model: Darknet, batches: int) -> LearningRatePolicy:
    """Return the cfg's learning rates, stretched to a run of so many batches."""
    net = dict(model.net_info)
    try:
        if configuration.lr is not None:
            share = configuration.lr / float(net.get("learning_rate", 0.001))
            net["learning_rate"] = str(configuration.lr)
            net["learning_rate_min"] = str(share * float(net.get("learning_rate_min", 0.00001)))
        planned = max(1, int(net.get("max_batches", batches)))
        if "steps" in net:
            steps = [round(int(at) * batches / planned) for at in net["steps"].split(",")]
            net["steps"] = ",".join(map(str, steps))
        net["max_batches"] = str(batches)
        burn_in = min(int(net.get("burn_in", 0)), int(batches * BURN_IN_SHARE))
        net["burn_in"] = str(burn_in)
        return LearningRatePolicy.from_options(net)
    except (ValueError, ZeroDivisionError) as error:
        raise CommandError(f"--cfg: [net] {error}") from None


def build_optimizer(model: Darknet, lr: float) -> Any:
    """Return the optimizer of the [net] section: SGD with momentum, or Adam with adam=1.

    As in Darknet, weights decay and biases and scales do not.
    """
    net = model.net_info
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    decay = net.number("decay", 0.0001)
    groups = [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if net.integer("adam", 0):
        betas = (net.number("B1", 0.9), net.number("B2", 0.999))
        return optim.Adam(groups, lr=lr, betas=betas, eps=net.number("eps", 1e-6))
    return optim.SGD(groups, lr=lr, momentum=net.number("momentum", 0.9))
