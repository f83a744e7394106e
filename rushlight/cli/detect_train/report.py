"""What a finished run leaves behind: numbers, pictures and one HTML page."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import rushlight
from rushlight.cli.files import write_bytes_atomically, write_json_atomically, write_text_atomically
from rushlight.cli.training.figures import RATE_COLOR, TEST_COLOR, TRAIN_COLOR, _figure, _png
from rushlight.cli.training.page import STYLE, _table
from rushlight.cli.training.progress import Reporter, as_clock
from rushlight.cli.training.trainer import metrics_text
from rushlight.darknet.boxes import Detections
from rushlight.darknet.drawing import draw_detections
from rushlight.darknet.training.average_precision import PictureResult
from rushlight.darknet.training.labels import LabelledPicture, open_picture

SHOWN = 12  # test pictures on the sheet
SHOWN_SCORE = 0.3
COLUMNS = 4


def write_report(run: Path, config: dict[str, Any], trainer: Any, reporter: Reporter) -> None:
    """Write summary.json, metrics.jsonl, the pictures and report.html into the run folder."""
    summary = summary_of(config, trainer)
    write_json_atomically(run / "summary.json", summary)
    write_text_atomically(run / "metrics.jsonl", metrics_text(trainer.history))
    pictures: dict[str, bytes] = {}
    try:
        pictures["curves.png"] = curves(trainer.history)
        pictures["predictions.png"] = sheet(trainer.data.test, trainer.results, trainer.data.names)
    except ModuleNotFoundError as error:
        reporter.note(f"no pictures: {error.name} is missing; pip install 'rushlight[cli]'")
    for name, content in pictures.items():
        write_bytes_atomically(run / name, content)
    write_text_atomically(run / "report.html", page(run, config, summary, pictures))
    reporter.note(
        f"AP50 {summary['ap50']:.3f}, AP {summary['ap']:.3f} on {config['test_images']} test "
        f"pictures, {summary['images_per_second']:,.0f} images/s, {as_clock(summary['seconds'])} "
        f"in all; see {run / 'report.html'}"
    )
    reporter.note(
        f"try it: rushlight detect --cfg {run}/network.cfg --weights {run}/best.weights "
        f"--names {run}/classes.names PICTURE"
    )


def summary_of(config: dict[str, Any], trainer: Any) -> dict[str, Any]:
    """Return the run's results: COCO's numbers of the last epoch, and the best epoch."""
    scores, names = trainer.scores, config["classes"]
    numbers = {
        name: _number(getattr(scores, name))
        for name in list(scores.__dataclass_fields__)[:12]
    }  # fmt: skip
    seen = trainer.batches.batch_size * len(trainer.batches) * trainer.epoch
    return {
        **numbers,
        "class_ap50": {name: _number(v) for name, v in zip(names, scores.class_ap50)},
        "class_ap": {name: _number(v) for name, v in zip(names, scores.class_ap)},
        "best_ap50": trainer.best["ap50"],
        "best_epoch": trainer.best["epoch"],
        "images_per_second": round(seen / max(trainer.training_seconds, 1e-9), 1),
        "parameters": config["parameters"],
        "epochs": trainer.epoch,
        "seconds": round(sum(row["seconds"] for row in trainer.history), 1),
    }


def _number(value: float) -> float | None:
    """A score for a JSON file, which knows no NaN."""
    return None if np.isnan(value) else round(float(value), 6)


def curves(history: list[dict[str, Any]]) -> bytes:
    """Return a PNG with the parts of the loss, the average precision and the learning rate."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(12, 3.6)
    loss, precision, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in history]
    parts = (("objectness", TRAIN_COLOR), ("classes", TEST_COLOR), ("box", RATE_COLOR))
    for name, color in parts:
        loss.plot(epochs, [row[name] for row in history], color=color, label=name)
    loss.set(title="Loss, by part", xlabel="epoch", yscale="log")
    loss.legend(frameon=False)
    tested = [row for row in history if row["ap50"] is not None]
    for name, label, color in (("ap50", "IoU 0.5", TEST_COLOR), ("ap", "0.5:0.95", TRAIN_COLOR)):
        precision.plot([row["epoch"] for row in tested], [row[name] for row in tested],
                       color=color, label=label, marker="o", markersize=3)  # fmt: skip
    best = max((row["ap50"] for row in tested), default=0.0)
    precision.set(title=f"Mean average precision (best {best:.3f})", xlabel="epoch", ylim=(0, 1))
    precision.legend(frameon=False)
    rate.plot(epochs, [row["lr"] for row in history], color=RATE_COLOR)
    rate.set(title="Learning rate at the epoch's end", xlabel="epoch")
    rate.set_ylim(bottom=0)
    for axes in (loss, precision, rate):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def sheet(
    pictures: list[LabelledPicture], results: list[PictureResult], names: tuple[str, ...]
) -> bytes:
    """Return a PNG of the first test pictures with what was found on them."""
    from PIL import Image

    cell = 360
    count = min(SHOWN, len(pictures))
    rows = -(-count // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * cell, rows * cell), (255, 255, 255))
    for place in range(count):
        image, result = Image.fromarray(open_picture(pictures[place])), results[place]
        scale = min(cell / image.width, cell / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        shown = result.scores > SHOWN_SCORE
        found = Detections(
            rushlight.tensor(result.found_boxes[shown] * scale),
            rushlight.tensor(result.scores[shown]),
            rushlight.tensor(result.found_classes[shown]),
        )
        drawn = draw_detections(image.resize(size), found, list(names))
        whole.paste(drawn, (place % COLUMNS * cell, place // COLUMNS * cell))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


def page(
    run: Path, config: dict[str, Any], summary: dict[str, Any], pictures: dict[str, bytes]
) -> str:
    """Return the page. Every text is escaped; class names and paths may hold anything."""
    facts = (
        (f"{summary['ap50'] or 0:.3f}", "AP at IoU 0.5"),
        (f"{summary['ap'] or 0:.3f}", "AP at 0.5:0.95"),
        (f"{summary['best_ap50']:.3f}", f"best AP50, epoch {summary['best_epoch']}"),
        (f"{summary['parameters']:,}", "parameters"),
        (f"{summary['images_per_second']:,.0f}", "training images/s"),
        (f"{summary['seconds']:.0f} s", f"for {summary['epochs']} epochs"),
    )
    cells = "".join(f"<div><b>{escape(value)}</b>{escape(name)}</div>" for value, name in facts)
    command = (
        f"rushlight detect --cfg {run}/network.cfg --weights {run}/best.weights "
        f"--names {run}/classes.names PICTURE"
    )
    body = [
        f"<h1>{escape(run.name)}</h1>",
        f"<p>{escape(config['options']['cfg'])} on {escape(config['options']['data'])}, "
        f"trained with rushlight {escape(config['rushlight'])}</p>",
        f'<div class="facts">{cells}</div>',
    ]
    titles = {"curves.png": "Curves", "predictions.png": "Found on test pictures"}
    for name, title in titles.items():
        if name in pictures:
            encoded = base64.b64encode(pictures[name]).decode("ascii")
            source = f"data:image/png;base64,{encoded}"
            body.append(f'<h2>{title}</h2><img src="{source}" alt="{title}">')
    body.append(f"<h2>Average precision of each class</h2>{_classes(summary)}")
    body.append("<h2>Configuration</h2>" + _table(config["options"]))
    body.append(f"<pre>{escape(command)}</pre>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(run.name)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _classes(summary: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{value or 0:.3f}</td>"
        f"<td>{summary['class_ap'][name] or 0:.3f}</td>"
        f'<td class="bar"><span style="width:{100 * (value or 0):.1f}%"></span></td></tr>'
        for name, value in summary["class_ap50"].items()
    )
    head = '<tr><th>class</th><th>AP50</th><th>AP</th><th class="bar"></th></tr>'
    return f'<div class="wide"><table>{head}{rows}</table></div>'
