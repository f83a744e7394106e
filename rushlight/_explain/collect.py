"""Keeps what the runtime tells its observers: one `PlanHistory` for each plan."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rushlight.core.runtime.observe import Observer
from rushlight.core.runtime.work import ideal_seconds

from .reasons import why_new

# How a native plan marks a step that has no native form.
INTERPRETED = " (interpreted)"


class TierHistory:
    """A plan's runs in one tier: `runs`, `seconds`, and for each step its seconds in all."""

    def __init__(self, steps: list[Any]):
        self.steps = steps
        self.runs = 0
        self.seconds = 0.0
        self.best = float("inf")
        self.step_seconds = [0.0] * len(steps)


class PlanHistory:
    """One plan: its number, why it was new, what made it run, its runs by tier."""

    def __init__(self, number: int, record: Any, known: bool, reason: str):
        self.number = number
        self.record = record
        self.known = known
        self.reason = reason
        self.whys: Counter[str] = Counter()
        self.tiers: dict[str, TierHistory] = {}

    @property
    def runs(self) -> int:
        """How often it ran, in all tiers."""
        return sum(tier.runs for tier in self.tiers.values())

    @property
    def seconds(self) -> float:
        """Seconds of all its runs."""
        return sum(tier.seconds for tier in self.tiers.values())

    @property
    def last_tier(self) -> TierHistory:
        """The tier it reached: interpreted first, native once compiled."""
        return list(self.tiers.values())[-1]

    @property
    def compilation(self) -> str:
        """What became of its compilation, in words; empty where nobody asked for one."""
        source = getattr(self.record.plan, "interpreter", self.record.plan)
        slot = getattr(source, "native", None)
        if slot is None:
            return ""
        if slot.state == "refused":
            return f"not compiled: {slot.why}"
        if slot.state == "ready":
            seconds = getattr(slot, "seconds", None)
            return "compiled" if seconds is None else f"compiled in {seconds * 1e3:.0f} ms"
        return "waits for the compiler" if slot.state == "waiting" else "run once: not compiled"


class Collector(Observer):
    """The observer behind an `Explanation`."""

    def __init__(self):
        self.plans: dict[Any, PlanHistory] = {}
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a remark, once."""
        if text not in self.notes:
            self.notes.append(text)

    def plan_run(self, record: Any, run: Any) -> None:
        """Add one run."""
        plan = self.plans.get(record.key)
        if plan is None:
            reason = "ran before the report began" if run.known else why_new(
                record, [other.record for other in self.plans.values()])
            plan = PlanHistory(len(self.plans) + 1, record, run.known, reason)
            self.plans[record.key] = plan
        plan.whys[run.why] += 1
        tier = plan.tiers.get(run.tier)
        if tier is None:
            tier = plan.tiers[run.tier] = TierHistory(record.steps)
        tier.runs += 1
        tier.seconds += run.seconds
        tier.best = min(tier.best, run.seconds)
        for index, seconds in enumerate(run.steps):
            tier.step_seconds[index] += seconds


class Kernel:
    """Steps of one name and result shape, over all plans of one tier."""

    def __init__(self, step: Any, tier: str):
        name, mark, _ = step.name.partition(INTERPRETED)
        self.name, self.shape = name, step.shape
        self.tier = "interpreter" if mark else tier
        self.operations = step.operations
        self.runs, self.seconds, self.flops, self.bytes = 0, 0.0, 0.0, 0.0

    def ideal(self, peaks: dict[str, float]) -> float:
        """Seconds that the roofline allows: the longer of computing and moving memory."""
        return ideal_seconds(self.flops, self.bytes, peaks)

    def bound(self, peaks: dict[str, float]) -> str:
        """What limits it on paper: "compute", "memory", or "-" where it does neither."""
        if not self.flops and not self.bytes:
            return "-"
        compute = self.flops / peaks["flops"] > self.bytes / peaks["bytes"]
        return "compute" if compute else "memory"


def kernels(plans: list[PlanHistory]) -> list[Kernel]:
    """All kernels, those that took longest first."""
    found: dict[Any, Kernel] = {}
    for plan in plans:
        for name, tier in plan.tiers.items():
            for step, seconds in zip(tier.steps, tier.step_seconds):
                key = (name, step.name, step.shape, step.flops, step.bytes)
                kernel = found.get(key)
                if kernel is None:
                    kernel = found[key] = Kernel(step, name)
                kernel.runs += tier.runs
                kernel.seconds += seconds
                kernel.flops += step.flops * tier.runs
                kernel.bytes += step.bytes * tier.runs
    return sorted(found.values(), key=lambda kernel: -kernel.seconds)
