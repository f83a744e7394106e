"""What a person sees while training: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

LINES_PER_EPOCH = 4


class Reporter:
    """The plain line log; `LiveReporter` draws the same facts as a moving display."""

    # What stands beside the loss, and how it is written.
    second, second_format = "accuracy", "{:.1%}"

    def __init__(self) -> None:
        self.epoch, self.epochs, self.images = 0, 0, 1
        self._next_line = 0.0
        self._started = 0.0

    def note(self, text: str) -> None:
        """Print one line that is not about a step."""
        print(text, flush=True)

    def epoch_begin(self, epoch: int, epochs: int, images: int) -> None:
        """Announce an epoch of so many pictures."""
        self.epoch, self.epochs, self.images = epoch, epochs, images
        self._next_line = images / LINES_PER_EPOCH
        self._started = time.perf_counter()

    def step(self, seen: int, loss: float, second: float, rate: float) -> None:
        """Report the running means of the epoch after a batch."""
        if seen < self._next_line or seen >= self.images:
            return
        self._next_line += self.images / LINES_PER_EPOCH
        value = self.second_format.format(second)
        print(
            f"epoch {self.epoch}/{self.epochs}  {seen:>6}/{self.images}  loss {loss:.4f}  "
            f"{self.second} {value}  {rate:.0f} images/s  ETA {self._eta(seen, rate)}",
            flush=True,
        )

    def _eta(self, seen: int, rate: float) -> str:
        left = self.images - seen + self.images * (self.epochs - self.epoch)
        return as_clock(left / rate if rate else 0)

    def epoch_end(self, row: dict[str, Any], epochs: int) -> None:
        """Report a finished epoch."""
        print(self.epoch_line(row, epochs), flush=True)

    def epoch_line(self, row: dict[str, Any], epochs: int) -> str:
        return (
            f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  train loss {row['train_loss']:.4f}"
            f"  test loss {row['test_loss']:.4f}  test accuracy {row['test_accuracy']:.2%}"
            f"  lr {row['lr']:.4g}  {row['seconds']:.1f} s"
        )

    def close(self) -> None:
        """Put the terminal back."""


class LiveReporter(Reporter):
    """A progress bar per epoch with loss, accuracy, images/s and the time left, drawn by Rich."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("loss [bold]{task.fields[loss]}[/]"),
            TextColumn(self.second + " [bold]{task.fields[second]}[/]"),
            TextColumn("[cyan]{task.fields[rate]} images/s[/]"),
            TextColumn("ETA {task.fields[eta]}"),
            console=self._console,
            refresh_per_second=8,
            transient=True,
            expand=True,
        )
        self._task: Any = None

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def epoch_begin(self, epoch: int, epochs: int, images: int) -> None:
        super().epoch_begin(epoch, epochs, images)
        fields = {
            "epoch": f"{epoch}/{epochs}",
            "loss": "-",
            "second": "-",
            "rate": "-",
            "eta": "-",
        }
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=images, **fields)
        self._progress.reset(self._task, total=images, **fields)

    def step(self, seen: int, loss: float, second: float, rate: float) -> None:
        self._progress.update(
            self._task,
            completed=seen,
            loss=f"{loss:.4f}",
            second=self.second_format.format(second),
            rate=f"{rate:,.0f}",
            eta=self._eta(seen, rate),
        )

    def epoch_end(self, row: dict[str, Any], epochs: int) -> None:
        self.note(self.epoch_line(row, epochs))

    def close(self) -> None:
        self._progress.stop()


def make_reporter() -> Reporter:
    """Return the live display when standard output is a terminal, the line log otherwise."""
    return LiveReporter() if sys.stdout.isatty() else Reporter()


def as_clock(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss.

    Example:
        >>> as_clock(75)
        '1:15'
    """
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
