"""`rushlight.explain`: what ran, why, what was fused, what it cost against the roofline."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

from rushlight.core.runtime import observe

from .collect import Collector

__all__ = ["Explanation", "explain"]


class Explanation:
    """What ran between entering and leaving the ``with`` block; prints as text, saves as HTML.

    Example:
        >>> with rushlight.explain() as report:
        ...     train_one_step()
        >>> print(report)
        >>> report.save("step.html")
    """

    def __init__(self, title: str = "explain"):
        self.title = title
        self.seconds = 0.0
        self._collector = Collector()
        self._peaks: dict[str, float] | None = None
        self._started = 0.0

    def __enter__(self) -> Explanation:
        # What was pending before belongs to nobody's question.
        import rushlight

        rushlight.cpu.synchronize()
        self._started = perf_counter()
        observe.watch(self._collector)
        return self

    def __exit__(self, *_: Any) -> None:
        import rushlight

        try:
            rushlight.cpu.synchronize()
        finally:
            self.seconds += perf_counter() - self._started
            observe.unwatch(self._collector)

    @property
    def plans(self) -> list[Any]:
        """The plans that ran, in the order in which they were first seen."""
        return list(self._collector.plans.values())

    @property
    def notes(self) -> list[str]:
        """Remarks: the calls that `rushlight.compile` could not capture, and why."""
        return list(self._collector.notes)

    @property
    def peaks(self) -> dict[str, float]:
        """This machine's measured speed: {"flops": float32 FLOP/s, "bytes": memory bytes/s}."""
        if self._peaks is None:
            from rushlight.core.runtime.peak import measured

            from .collect import kernels

            fastest = max((k.flops / k.seconds for k in kernels(self.plans) if k.seconds),
                          default=0.0)
            self._peaks = measured(fastest)
        return self._peaks

    def __str__(self) -> str:
        from .text import plain, tables

        return plain(tables(self))

    def show(self) -> None:
        """Print the report, with Rich where it is installed and standard output is a terminal."""
        from .text import show, tables

        show(tables(self))

    def html(self) -> str:
        """The report as one HTML page that needs nothing else."""
        from .page import page

        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the HTML page."""
        Path(path).write_text(self.html(), encoding="utf-8")


def explain(title: str = "explain") -> Explanation:
    """Watch what runs inside a ``with`` block: plans, why they ran and were new, kernels, speed.

    Timing every step makes small programs slower while they are watched. Not part of PyTorch.

    Example:
        >>> with rushlight.explain() as report:
        ...     loss.item()
        >>> print(report)
    """
    return Explanation(title)
