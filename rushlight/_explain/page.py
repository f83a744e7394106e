"""The report as one HTML page: nothing is fetched, no script is needed; the picture is SVG."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from .collect import Kernel, kernels
from .text import CACHED, milliseconds, percent, speed, summary

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bar: #1f5fa8; --native: #2a7f3f;
  --interpreter: #c46a1b; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { margin-bottom: .3rem; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { opacity: .7; } dd { margin: 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th.t, td.t { text-align: left; } td.name { white-space: normal; overflow-wrap: anywhere;
  min-width: 12rem; }
.wide { overflow-x: auto; }
.bar { width: 9rem; } .bar span { display: block; height: .8rem; border-radius: .2rem;
  background: var(--bar); min-width: 1px; }
.native { color: var(--native); } .interpreter { color: var(--interpreter); }
details { border: 1px solid var(--line); border-radius: .4rem; padding: .3rem .8rem;
  margin: .5rem 0; }
summary { cursor: pointer; } summary b { margin-right: .6rem; }
pre { background: var(--soft); padding: .6rem; overflow: auto; max-height: 24rem;
  font-size: 12px; }
svg { max-width: 100%; height: auto; } svg text { fill: currentColor; font-size: 12px; }
svg .grid { stroke: #8883; } svg .roof { stroke: currentColor; fill: none; stroke-width: 2; }
svg circle { fill-opacity: .55; }
svg .native { fill: var(--native); } svg .interpreter { fill: var(--interpreter); }
"""
WIDTH, HEIGHT, MARGIN = 860, 430, 56
SHOWN = 200         # rows of the table of steps
LONGEST = 60_000    # characters of a trace that are shown


def page(report: Any) -> str:
    """Return the page. Every text is escaped."""
    title = escape(report.title)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
                    for name, value in summary(report))
    found = kernels(report.plans)
    body = [f"<h1>{title}</h1>", f"<dl>{facts}</dl>"]
    if report.notes:
        body += ["<h2>What compile could not capture</h2>",
                 *[f"<p>{escape(text)}</p>" for text in report.notes]]
    if found:
        body += ["<h2>Steps against the roofline</h2>",
                 "<p>Each circle is a step; its area is the time it took in all. Up is faster; the "
                 "line is what this machine allows for that many operations per byte.</p>",
                 roofline(found, report.peaks), "<h2>Steps, by time</h2>",
                 _kernel_table(found, report.peaks), "<h2>Plans</h2>",
                 "<p>In the order in which they were first seen. Open one for its steps and its "
                 "trace.</p>", *[_plan(plan, report) for plan in report.plans]]
    else:
        body.append("<p>Nothing was computed.</p>")
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{STYLE}</style></head>\n<body>\n"
            + "\n".join(body) + "\n</body></html>\n")


def roofline(found: list[Kernel], peaks: dict[str, float]) -> str:
    """Return the SVG: FLOP per byte to the right, GFLOP/s upwards, both logarithmic."""
    points = [kernel for kernel in found if kernel.flops and kernel.bytes and kernel.seconds]
    if not points:
        return "<p>No step computes with numbers from memory.</p>"
    ridge = peaks["flops"] / peaks["bytes"]
    left = min([0.05, *[k.flops / k.bytes for k in points]])
    right = max([4 * ridge, *[k.flops / k.bytes for k in points]]) * 1.5
    low = min([k.flops / k.seconds for k in points]) / 2
    high = max([peaks["flops"], *[k.flops / k.seconds for k in points]]) * 2

    def x(intensity: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * math.log(intensity / left) / math.log(right / left)

    def y(rate: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 1.4 * MARGIN) * math.log(rate / low) / math.log(
            high / low)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
             'aria-label="Roofline of the steps">']
    for power in range(math.ceil(math.log10(left)), math.floor(math.log10(right)) + 1):
        place = x(10.0 ** power)
        parts.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{MARGIN * .4:.1f}"'
                     f' y2="{HEIGHT - MARGIN}"/><text x="{place:.1f}" y="{HEIGHT - MARGIN + 16}" '
                     f'text-anchor="middle">{10.0 ** power:g}</text>')
    for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
        place = y(10.0 ** power)
        parts.append(f'<line class="grid" x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{place:.1f}" '
                     f'y2="{place:.1f}"/><text x="{MARGIN - 6}" y="{place + 4:.1f}" '
                     f'text-anchor="end">{10.0 ** (power - 9):g}</text>')
    start = max(left, low / peaks["bytes"])
    roof = [(start, start * peaks["bytes"]), (ridge, peaks["flops"]), (right, peaks["flops"])]
    line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in roof)
    parts.append(f'<polyline class="roof" points="{line}"/>')
    longest = max(kernel.seconds for kernel in points)
    for kernel in points:
        radius = max(2.5, 26 * math.sqrt(kernel.seconds / longest))
        tip = (f"{kernel.name} -> {kernel.shape}: {milliseconds(kernel.seconds)} in "
               f"{kernel.runs} runs, {speed(kernel.flops, kernel.seconds)} GFLOP/s, "
               f"{percent(kernel.ideal(peaks), kernel.seconds)} of the roofline")
        parts.append(f'<circle class="{_tier(kernel.tier)}" r="{radius:.1f}" '
                     f'cx="{x(kernel.flops / kernel.bytes):.1f}" '
                     f'cy="{y(kernel.flops / kernel.seconds):.1f}">'
                     f"<title>{escape(tip)}</title></circle>")
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 14}" text-anchor="middle">'
                 'operations per byte</text>'
                 f'<text x="{MARGIN}" y="14">GFLOP/s</text>'
                 f'<text x="{WIDTH - MARGIN}" y="{y(peaks["flops"]) - 8:.1f}" text-anchor="end">'
                 f'{peaks["flops"] / 1e9:.0f} GFLOP/s, {peaks["bytes"] / 1e9:.0f} GB/s measured'
                 '</text></svg>')
    return "".join(parts)


def _tier(name: str) -> str:
    return "interpreter" if name == "interpreter" else "native"


def _kernel_table(found: list[Kernel], peaks: dict[str, float]) -> str:
    head = ('<tr><th class="t">step</th><th class="t">result</th><th>tier</th><th>runs</th>'
            '<th>a run</th><th>total</th><th class="bar"></th><th>GFLOP/s</th><th>GB/s</th>'
            '<th>bound</th><th>of roofline</th></tr>')
    whole = sum(kernel.seconds for kernel in found) or 1.0
    rows = []
    for kernel in found[:SHOWN]:
        rows.append(
            f'<tr><td class="t name">{escape(kernel.name)}</td>'
            f'<td class="t">{escape(kernel.shape)}</td>'
            f'<td class="{_tier(kernel.tier)}">{escape(kernel.tier)}</td><td>{kernel.runs}</td>'
            f"<td>{milliseconds(kernel.seconds / kernel.runs)}</td>"
            f"<td>{milliseconds(kernel.seconds)}</td>"
            f'<td class="bar"><span style="width:{100 * kernel.seconds / whole:.1f}%"></span></td>'
            f"<td>{speed(kernel.flops, kernel.seconds)}</td>"
            f"<td>{speed(kernel.bytes, kernel.seconds)}</td><td>{kernel.bound(peaks)}</td>"
            f"<td>{percent(kernel.ideal(peaks), kernel.seconds)}</td></tr>")
    more = f"<p>and {len(found) - SHOWN} more</p>" if len(found) > SHOWN else ""
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>{more}<p>{CACHED}</p>'


def _plan(plan: Any, report: Any) -> str:
    share = percent(plan.seconds, report.seconds)
    whys = ", ".join(f"{why} ({count})" for why, count in plan.whys.most_common())
    tiers = ", ".join(f'<span class="{_tier(name)}">{escape(name)}</span> {tier.runs} times, '
                      f"{milliseconds(tier.seconds / tier.runs)} a run, best "
                      f"{milliseconds(tier.best)}" for name, tier in plan.tiers.items())
    facts = [("ran because of", escape(whys)), ("made because", escape(plan.reason)),
             ("tiers", tiers)]
    if plan.compilation:
        facts.append(("compilation", escape(plan.compilation)))
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    trace = plan.record.text
    if len(trace) > LONGEST:
        trace = trace[:LONGEST] + f"\n... ({len(trace) - LONGEST} more characters)"
    return (f"<details><summary><b>Plan {plan.number}</b> {len(plan.record.names)} records in "
            f"{len(plan.last_tier.steps)} steps, {plan.record.outputs} results, {plan.runs} runs, "
            f"{milliseconds(plan.seconds)} ({share})</summary><dl>{listed}</dl>"
            f"{_steps(plan.last_tier, report.peaks)}"
            f"<details><summary>trace</summary><pre>{escape(trace)}</pre></details></details>")


def _steps(tier: Any, peaks: dict[str, float]) -> str:
    head = ('<tr><th>#</th><th class="t">step</th><th class="t">result</th><th>a run</th>'
            '<th class="bar"></th><th>MFLOP</th><th>MB</th><th>of roofline</th></tr>')
    whole = sum(tier.step_seconds) or 1.0
    rows = []
    for index, (step, seconds) in enumerate(zip(tier.steps, tier.step_seconds)):
        ideal = max(step.flops / peaks["flops"], step.bytes / peaks["bytes"]) * tier.runs
        fused = escape(" + ".join(step.operations))
        rows.append(
            f'<tr><td>{index}</td><td class="t name" title="{fused}">{escape(step.name)}</td>'
            f'<td class="t">{escape(step.shape)}</td><td>{milliseconds(seconds / tier.runs)}</td>'
            f'<td class="bar"><span style="width:{100 * seconds / whole:.1f}%"></span></td>'
            f"<td>{step.flops / 1e6:.3g}</td><td>{step.bytes / 1e6:.3g}</td>"
            f"<td>{percent(ideal, seconds)}</td></tr>")
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'
