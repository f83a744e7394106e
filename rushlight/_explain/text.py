"""The report as text: tables in plain columns, or with Rich where it is installed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from .collect import kernels

TOP = 25            # kernels and plans shown; the HTML page has all
NAME_WIDTH = 44
CACHED = ("GFLOP/s and GB/s are of the work on paper; more than 100 % of the roofline: the numbers "
          "were in a cache.")


@dataclass
class Table:
    """A title, lines under it, and rows; `left` columns are text, the others numbers."""

    title: str
    headers: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    left: tuple[int, ...] = (0,)
    notes: list[str] = field(default_factory=list)


def milliseconds(seconds: float) -> str:
    """Seconds in the unit that fits: "12.3 us", "4.56 ms", "7.89 s"."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def speed(amount: float, seconds: float) -> str:
    """Billions a second, "-" where there is nothing to count."""
    if not amount or not seconds:
        return "-"
    return f"{amount / seconds / 1e9:.3g}"


def percent(part: float, whole: float) -> str:
    """A share, "-" of nothing."""
    return f"{100 * part / whole:.0f}%" if whole else "-"


def shortened(text: str, width: int = NAME_WIDTH) -> str:
    """`text`, its middle left out where it is too long for a column."""
    if len(text) <= width:
        return text
    return text[:width // 2 - 1] + "..." + text[-(width // 2 - 2):]


def summary(report: Any) -> list[tuple[str, str]]:
    """(name, value) pairs about the whole run."""
    plans = report.plans
    inside = sum(plan.seconds for plan in plans)
    steps = sum(sum(tier.step_seconds) for plan in plans for tier in plan.tiers.values())
    found = kernels(plans)
    native = sum(kernel.seconds for kernel in found if kernel.tier != "interpreter")
    flops = sum(kernel.flops for kernel in found)
    return [
        ("watched", milliseconds(report.seconds)),
        ("in plans", f"{milliseconds(inside)} ({percent(inside, report.seconds)}); "
                     "the rest is Python: the program, tracing, autograd"),
        ("in steps", f"{milliseconds(steps)} ({percent(steps, inside)} of the plans' time)"),
        ("native", f"{milliseconds(native)} ({percent(native, steps)} of the steps' time)"),
        ("plans", f"{len(plans)}, run {sum(plan.runs for plan in plans)} times"),
        ("speed", f"{speed(flops, report.seconds)} GFLOP/s over the whole"),
        ("machine's peak", f"{report.peaks['flops'] / 1e9:.0f} GFLOP/s float32, "
                           f"{report.peaks['bytes'] / 1e9:.1f} GB/s (measured)"),
    ]


def tables(report: Any) -> list[Table]:
    """The report's tables: summary, plans, why they were new, kernels, what was fused."""
    found = [Table(report.title, notes=[f"{name:<15} {value}" for name, value in summary(report)])]
    plans = report.plans
    if report.notes:
        found.append(Table("What compile could not capture", notes=report.notes))
    if not plans:
        found[0].notes.append("nothing was computed")
        return found
    found += [_plan_table(plans), _reasons(plans), _kernel_table(report)]
    fused = _fused(plans)
    return found + ([fused] if fused.notes else [])


def _plan_table(plans: list[Any]) -> Table:
    ranked = sorted(plans, key=lambda plan: -plan.seconds)
    table = Table("Plans, by time", ["plan", "records", "steps", "results", "runs", "native runs",
                                     "a run", "total", "ran because of"], left=(8,))
    for plan in ranked[:TOP]:
        tier = plan.last_tier
        native = sum(t.runs for name, t in plan.tiers.items() if name != "interpreter")
        whys = ", ".join(f"{why} ({count})" for why, count in plan.whys.most_common(3))
        table.rows.append([str(plan.number), str(len(plan.record.names)), str(len(tier.steps)),
                           str(plan.record.outputs), str(plan.runs), str(native),
                           milliseconds(tier.seconds / tier.runs), milliseconds(plan.seconds),
                           whys])
    if len(ranked) > TOP:
        table.notes.append(f"and {len(ranked) - TOP} more")
    return table


def _reasons(plans: list[Any]) -> Table:
    table = Table("Why a plan was made, and what became of it")
    for plan in plans[:TOP]:
        told = f"; {plan.compilation}" if plan.compilation else ""
        table.notes.append(f"plan {plan.number}: {plan.reason}{told}")
    if len(plans) > TOP:
        table.notes.append(f"and {len(plans) - TOP} more")
    return table


def _kernel_table(report: Any) -> Table:
    table = Table("Steps, by time",
                  ["step", "result", "tier", "runs", "a run", "total", "GFLOP/s", "GB/s", "bound",
                   "of roofline"], left=(0, 1, 2, 8))
    table.notes.append(CACHED)
    found = kernels(report.plans)
    for kernel in found[:TOP]:
        table.rows.append([
            shortened(kernel.name), shortened(kernel.shape, 30), kernel.tier, str(kernel.runs),
            milliseconds(kernel.seconds / kernel.runs), milliseconds(kernel.seconds),
            speed(kernel.flops, kernel.seconds), speed(kernel.bytes, kernel.seconds),
            kernel.bound(report.peaks), percent(kernel.ideal(report.peaks), kernel.seconds)])
    if len(found) > TOP:
        rest = sum(kernel.seconds for kernel in found[TOP:])
        table.notes.append(f"and {len(found) - TOP} more, {milliseconds(rest)} in all")
    return table


def _fused(plans: list[Any]) -> Table:
    table = Table("What was fused")
    seen = set()
    for plan in plans:
        for step in plan.last_tier.steps:
            if len(step.operations) > 1 and step.operations not in seen and len(seen) < TOP:
                seen.add(step.operations)
                table.notes.append(f"plan {plan.number}: {' + '.join(step.operations)}")
    return table


def plain(found: list[Table]) -> str:
    """The tables as columns of text."""
    lines: list[str] = []
    for table in found:
        lines += ["", table.title, "-" * len(table.title)]
        if table.rows:
            widths = [max(len(row[i]) for row in [table.headers, *table.rows])
                      for i in range(len(table.headers))]
            for row in [table.headers, *table.rows]:
                cells = [cell.ljust(width) if i in table.left else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(row, widths))]
                lines.append("  ".join(cells).rstrip())
        lines += table.notes
    return "\n".join(lines[1:])


def show(found: list[Table]) -> None:
    """Print the tables: with Rich on a terminal, as plain text elsewhere."""
    if not sys.stdout.isatty():
        print(plain(found))
        return
    try:
        from rich import table as rich_table
        from rich.console import Console
    except ImportError:
        print(plain(found))
        return
    console = Console()
    for table in found:
        console.rule(table.title, align="left")
        if table.rows:
            grid = rich_table.Table(box=None, pad_edge=False)
            for i, header in enumerate(table.headers):
                grid.add_column(header, justify="left" if i in table.left else "right",
                                overflow="fold")
            for row in table.rows:
                grid.add_row(*[cell.replace("[", r"\[") for cell in row])
            console.print(grid)
        for note in table.notes:
            console.print(note, markup=False, highlight=False)
