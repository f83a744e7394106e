"""The display of `rushlight train`, telling what matters to a detector."""

from __future__ import annotations

import sys
from typing import Any

from rushlight.cli.training.progress import LiveReporter, Reporter


class DetectionLines:
    """The texts that differ from a classifier's."""

    second, second_format = "box loss", "{:.3f}"

    def epoch_line(self, row: dict[str, Any], epochs: int) -> str:
        parts = ", ".join(f"{name} {row[name]:.3f}" for name in ("box", "objectness", "classes"))
        line = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  "
        line += f"loss {row['loss']:.3f} ({parts})"
        if row.get("ap50") is not None:
            line += f"  AP50 {row['ap50']:.3f}  AP {row['ap']:.3f}"
        return line + f"  lr {row['lr']:.4g}  {row['seconds']:.1f} s"


class DetectionReporter(DetectionLines, Reporter):
    """The plain line log."""


class LiveDetectionReporter(DetectionLines, LiveReporter):
    """The moving display."""


def make_reporter() -> Reporter:
    """Return the live display when standard output is a terminal, the line log otherwise."""
    return LiveDetectionReporter() if sys.stdout.isatty() else DetectionReporter()
