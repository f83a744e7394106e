"""The benchmark's results as text, JSON and a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def load(path: Path | None) -> dict[str, Any]:
    """Return the results of an earlier run, or an empty book."""
    if path is not None and path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"threads": {}}


def save(path: Path | None, book: dict[str, Any]) -> None:
    """Write the book as JSON, where a file was named."""
    if path is not None:
        path.write_text(json.dumps(book, indent=1) + "\n", encoding="utf-8")


def verdict(result: dict[str, Any]) -> str:
    """Return "aim", "yes" or "no" for a row with a ratio, "failed" for one that raised."""
    if "rushlight" in result.get("errors", {}):
        return "failed"
    ratio = result.get("ratio")
    if ratio is None:
        return ""
    reached = result["aim"] and ratio >= result["aim"] or result.get("aim_share") and (
        result["share"]["rushlight"] >= result["aim_share"])
    return "aim" if reached else "yes" if ratio >= result["at_least"] else "no"


def print_head(book: dict[str, Any], threads: int, names: list[str]) -> None:
    """Print the machine, its peaks and the table's head."""
    machine, peaks = book["machine"], book["threads"][str(threads)]["peaks"]
    versions = ", ".join(f"{name} {version}" for name, version in book["versions"].items())
    print(f"{machine['cpu']}, {threads} thread(s), load {machine['load']:.1f}; {versions}")
    print(f"measured peaks: {peaks['flops'] / 1e9:.0f} GFLOP/s float32, "
          f"{peaks['bfloat16_flops'] / 1e9:.0f} bfloat16, {peaks['bytes'] / 1e9:.1f} GB/s")
    print(f"{'row':<17}" + "".join(f"{name + ' ms':>14}" for name in names)
          + f"{'ratio':>7}{'least':>6}{'aim':>5}{'done':>7}{'ours, of peak':>20}"
          f"{'PyTorch, of peak':>20}{'deviation, drift':>19}", flush=True)


def speed_text(result: dict[str, Any], name: str) -> str:
    """Return "123 GFLOP/s 52%" of one library."""
    speed, share = result.get("speed", {}).get(name), result.get("share", {}).get(name)
    if speed is None:
        return "-"
    return f"{speed / 1e9:.4g} G{result['unit']}" + ("" if share is None else f" {share:4.0%}")


def print_row(name: str, result: dict[str, Any], peers: bool) -> None:
    """Print one row of the table."""
    seconds, text = result["seconds"], f"{name:<17}"
    for library in ("rushlight", "torch"):
        text += f"{seconds[library] * 1e3:14.3f}" if library in seconds else f"{'-':>14}"
    ratio = result.get("ratio", math.nan)
    aim = f"{result['aim']:.4g}" if result["aim"] else f"{result['aim_share']:.0%}"
    text += f"{ratio:7.2f}{result['at_least']:6.1f}{aim:>5}{verdict(result):>7}"
    text += f"{speed_text(result, 'rushlight'):>20}{speed_text(result, 'torch'):>20}"
    text += f"{result.get('deviation', math.nan):11.1e}"
    if "drift" in result:
        text += f" {result['drift']:.1e}"
    if peers and "torch.compile" in seconds:
        text += f"   torch.compile {seconds['torch.compile'] * 1e3:.3f} ms"
    print(text, flush=True)
    for library, error in result.get("errors", {}).items():
        print(f"    {library}: {error}", flush=True)


def markdown(book: dict[str, Any], threads: str) -> str:
    """Return the table of one number of threads for a page of the documentation."""
    lines = ["| row | rushlight | PyTorch | ratio | at least | aim | ours, of peak | deviation |",
             "|---|---|---|---|---|---|---|---|"]
    for result in book["threads"][threads]["rows"].values():
        seconds = result["seconds"]
        times = [f"{seconds[name] * 1e3:.3g} ms" if name in seconds else "-"
                 for name in ("rushlight", "torch")]
        ratio = f"**{result['ratio']:.2f}**" if "ratio" in result else "-"
        if verdict(result) in ("no", "failed"):
            ratio = ratio.replace("**", "")
        aim = f"{result['aim']:.4g}" if result["aim"] else f"{result['aim_share']:.0%} of memory"
        deviation = f"{result['deviation']:.0e}" if "deviation" in result else "-"
        lines.append(f"| {result['title']} | {times[0]} | {times[1]} | {ratio} | "
                     f"{result['at_least']:g} | {aim} | {speed_text(result, 'rushlight')} | "
                     f"{deviation} |")
    return "\n".join(lines) + "\n"


def print_start(rows: dict[str, dict[str, float]]) -> None:
    """Print the rows about a program's start, in seconds."""
    for name, row in rows.items():
        print(f"{name:<17}" + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))


def plot(book: dict[str, Any], path: Path) -> None:
    """Draw PyTorch's time over ours for each row, with what was asked for."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    threads = max(book["threads"], key=int)
    rows = {name: row for name, row in book["threads"][threads]["rows"].items() if "ratio" in row}
    names, ratios = list(rows), [row["ratio"] for row in rows.values()]
    colours = {"aim": "#2a7f3f", "yes": "#7fb069", "no": "#c44e52", "": "#888888"}
    figure, axis = plt.subplots(figsize=(9, 0.3 * len(names) + 1.6), layout="constrained")
    places = range(len(names))
    axis.barh(places, ratios, color=[colours[verdict(rows[name])] for name in names], height=0.7)
    for place, name in zip(places, names):
        for key, style in (("at_least", "-"), ("aim", ":")):
            if not rows[name][key]:
                continue
            bounds = [place - 0.4, place + 0.4]
            axis.plot([rows[name][key]] * 2, bounds, style, color="black", lw=1.3)
        axis.text(ratios[place], place, f" {ratios[place]:.2f}", va="center", fontsize=8)
    axis.set_yticks(places, [rows[name]["title"] for name in names], fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log", base=2)
    axis.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8], ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axis.axvline(1, color="#888888", lw=0.8)
    axis.set_xlabel("PyTorch's time / rushlight's (right is faster); line: at least, dots: aim")
    axis.set_title(f"{book['machine']['cpu']}, {threads} threads", fontsize=10)
    figure.savefig(path, dpi=120)
