"""The training loop of `rushlight train`: an epoch, its test, its row, its checkpoint."""

from __future__ import annotations

import contextlib
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

import rushlight
from rushlight import nn, optim
from rushlight.cli.errors import CommandError, UsageProblem
from rushlight.cli.files import append_json_line, write_text_atomically
from rushlight.cli.training.batches import ShuffledBatches
from rushlight.cli.training.checkpoint import (
    BEST,
    LAST,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from rushlight.cli.training.configuration import OPTIMIZERS, Configuration
from rushlight.cli.training.pictures import InputFormat
from rushlight.cli.training.progress import Reporter

TEST_BATCH = 500
CHECKPOINT_FORMAT = 1


def seed_everything(seed: int) -> None:
    """Seed rushlight's, NumPy's and Python's generators."""
    rushlight.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def check_device(name: str) -> Any:
    """Return the device, or raise the one line that says why it cannot be used."""
    try:
        device = rushlight.device(name)
    except (RuntimeError, ValueError) as error:
        raise UsageProblem(f"--device {name!r}: {error}") from None
    if device.type == "cuda" and not rushlight.cuda.is_available():
        raise CommandError(f"--device {name}: no CUDA device was found; use --device cpu")
    if device.type not in ("cpu", "cuda"):
        raise UsageProblem(f"--device {name!r}: rushlight trains on cpu or cuda")
    return device


def build_optimizer(configuration: Configuration, parameters: Any) -> Any:
    """Return the optimizer that `--optimizer` and `--lr` name."""
    class_name, _, arguments = OPTIMIZERS[configuration.optimizer]
    return getattr(optim, class_name)(parameters, lr=configuration.lr, **arguments)


def build_scheduler(name: str, optimizer: Any, total_steps: int, lr: float) -> Any | None:
    """Return a scheduler that is stepped after every batch, or None for a constant rate."""
    schedulers = optim.lr_scheduler
    if name == "cosine":
        return schedulers.CosineAnnealingLR(optimizer, T_max=total_steps)
    if name == "onecycle":
        cycles = "momentum" in optimizer.defaults or "betas" in optimizer.defaults
        return schedulers.OneCycleLR(
            optimizer, max_lr=lr, total_steps=total_steps + 1, cycle_momentum=cycles
        )
    if name == "linear":
        return schedulers.LinearLR(optimizer, 1.0, 0.01, total_iters=total_steps)
    if name == "step":
        return schedulers.StepLR(optimizer, step_size=-(-total_steps // 3), gamma=0.1)
    if name == "exponential":
        return schedulers.ExponentialLR(optimizer, gamma=0.01 ** (1 / total_steps))
    return None


class EpochRequests:
    """The sampler of the loader: the batches of one epoch, in order."""

    def __init__(self, batches: Any):
        self.batches, self.epoch = batches, 0

    def __iter__(self):
        return iter(self.batches.epoch(self.epoch))

    def __len__(self) -> int:
        return len(self.batches)


class Trainer:
    """Trains one model and keeps the run folder up to date after every epoch.

    Example:
        >>> trainer = Trainer(configuration, model, batches, images, labels, format, run, reporter)
        >>> trainer.train()
        >>> trainer.history[-1]["test_accuracy"]
        0.88
    """

    def __init__(
        self,
        configuration: Configuration,
        model: Any,
        batches: ShuffledBatches,
        test_images: np.ndarray,
        test_labels: np.ndarray,
        input_format: InputFormat,
        run: Path,
        reporter: Reporter,
    ):
        self.configuration, self.run, self.reporter = configuration, run, reporter
        self.device = check_device(configuration.device)
        self.model = model.to(self.device)
        self.batches, self.input_format = batches, input_format
        self.test_images, self.test_labels = test_images, test_labels
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = build_optimizer(configuration, self.model.parameters())
        total_steps = len(batches) * configuration.epochs
        self.scheduler = build_scheduler(
            configuration.scheduler, self.optimizer, total_steps, configuration.lr
        )
        self.requests = EpochRequests(batches)
        self.loader = self._make_loader()
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"epoch": 0, "test_accuracy": -1.0}
        self.training_seconds = 0.0
        self.test_outputs: Any = None  # an array after the first epoch

    def _make_loader(self) -> Any:
        workers = self.configuration.workers
        return rushlight.utils.data.DataLoader(
            self.batches,
            batch_size=None,  # an item is a whole batch already
            sampler=self.requests,
            num_workers=workers,
            persistent_workers=workers > 0,
            # Its own generator: seeding the workers must not move the numbers dropout draws.
            generator=rushlight.Generator(),
        )

    # -- the loop ----------------------------------------------------------------------------

    def train(self) -> None:
        """Run the remaining epochs."""
        if self.epoch == 0:
            self.save()
        while self.epoch < self.configuration.epochs:
            started = time.perf_counter()
            lr = self.optimizer.param_groups[0]["lr"]
            train_loss = self._train_epoch()
            test_loss, test_accuracy = self.evaluate()
            self.epoch += 1
            row = {
                "epoch": self.epoch,
                "train_loss": train_loss,
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
                "lr": lr,
                "seconds": round(time.perf_counter() - started, 3),
            }
            self.history.append(row)
            append_json_line(self.run / "metrics.jsonl", row)
            if test_accuracy > self.best["test_accuracy"]:
                self.best = {"epoch": self.epoch, "test_accuracy": test_accuracy}
                save_checkpoint(self.run / BEST, {"model": self.model.state_dict(), **self.best})
            self.save()
            self.reporter.epoch_end(row, self.configuration.epochs)

    def _train_epoch(self) -> float:
        self.model.train()
        self.requests.epoch = self.epoch
        total = len(self.batches.images)
        self.reporter.epoch_begin(self.epoch + 1, self.configuration.epochs, total)
        seen, loss_sum, right = 0, 0.0, 0
        started = time.perf_counter()
        for inputs, targets in self.loader:
            loss, correct = self._step(inputs, targets)
            if not math.isfinite(loss):
                raise CommandError(
                    f"the loss became {loss} in epoch {self.epoch + 1}: lower --lr "
                    f"(it is {self.configuration.lr}); checkpoints are in {self.run}"
                )
            seen += len(targets)
            loss_sum += loss * len(targets)
            right += correct
            rate = seen / (time.perf_counter() - started)
            self.reporter.step(seen, loss_sum / seen, right / seen, rate)
        self.training_seconds += time.perf_counter() - started
        return loss_sum / seen

    def _step(self, inputs: Any, targets: Any) -> tuple[float, int]:
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        self.optimizer.zero_grad()
        with self._precision():
            outputs = self.model(inputs)
            loss = self.criterion(outputs, targets)
        correct = (outputs.detach().argmax(1) == targets).sum()
        loss.backward()
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        # Read last, so that the whole step is one program.
        return loss.item(), int(correct.item())

    def evaluate(self) -> tuple[float, float]:
        """Return (loss, accuracy) over the test pictures, keeping the outputs for the report."""
        self.model.eval()
        loss_sum, outputs = 0.0, []
        with rushlight.no_grad():
            for start in range(0, len(self.test_images), TEST_BATCH):
                images = self.test_images[start : start + TEST_BATCH]
                targets = rushlight.tensor(self.test_labels[start : start + TEST_BATCH])
                inputs = rushlight.tensor(self.input_format.normalise(images)).to(self.device)
                with self._precision():
                    logits = self.model(inputs)
                    loss = self.criterion(logits, targets.to(self.device))
                loss_sum += loss.item() * len(images)
                outputs.append(logits.float().cpu().numpy().copy())
        self.test_outputs = np.concatenate(outputs)
        right = int((self.test_outputs.argmax(1) == self.test_labels).sum())
        return loss_sum / len(self.test_labels), right / len(self.test_labels)

    def _precision(self) -> Any:
        if not self.configuration.amp:
            return contextlib.nullcontext()
        return rushlight.autocast(device_type=self.device.type, dtype=rushlight.bfloat16)

    # -- state -------------------------------------------------------------------------------

    def save(self) -> None:
        """Write last.pt: from it, training continues to the same bits."""
        state = {
            "format": CHECKPOINT_FORMAT,
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "random": random_states(),
            "history": self.history,
            "best": self.best,
            "training_seconds": self.training_seconds,
        }
        save_checkpoint(self.run / LAST, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state, and make metrics.jsonl end where it does."""
        if state.get("format") != CHECKPOINT_FORMAT:
            raise CommandError(f"{self.run / LAST} was written by another version of rushlight")
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
            restore_random_states(state["random"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CommandError(f"{self.run / LAST} does not fit this run: {error}") from None
        self.epoch, self.history, self.best = state["epoch"], state["history"], state["best"]
        self.training_seconds = state["training_seconds"]
        write_text_atomically(self.run / "metrics.jsonl", metrics_text(self.history))


def metrics_text(history: list[dict[str, Any]]) -> str:
    """Return the rows as the lines of metrics.jsonl."""
    import json

    return "".join(json.dumps(row) + "\n" for row in history)
