"""One HTML page about a run: a single file, its pictures inside, nothing fetched."""

from __future__ import annotations

import base64
from html import escape
from pathlib import PurePath
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bar: #1f5fa8; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h1 + p { margin-top: .2rem; opacity: .75; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.facts div { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem 1rem; min-width: 8rem; }
.facts b { display: block; font-size: 1.5rem; }
img { max-width: 100%; height: auto; background: white; border-radius: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
.bar { text-align: left; width: 18rem; }
.bar span { display: block; height: .8rem; background: var(--bar); border-radius: .2rem; }
code, pre { background: var(--soft); border-radius: .3rem; padding: .1rem .3rem; }
pre { padding: .6rem .8rem; overflow-x: auto; }
"""

PICTURES = (
    ("curves.png", "Curves", "Loss, test accuracy and learning rate over the epochs"),
    ("confusion_matrix.png", "Confusion matrix", "Which classes were taken for which"),
    ("predictions.png", "Sample predictions", "Test pictures with the predicted class"),
)


def run_page(
    run_path: str,
    config: dict[str, Any],
    summary: dict[str, Any],
    history: list[dict[str, Any]],
    pictures: dict[str, bytes],
) -> str:
    """Return the page. Every text is escaped; class names and paths may hold anything."""
    options, run_name = config["options"], PurePath(run_path).name
    body = [
        f"<h1>{escape(run_name)}</h1>",
        f"<p>{escape(options['model'])} on {escape(options['data'])}, "
        f"trained with rushlight {escape(config['rushlight'])}</p>",
        _facts(summary),
    ]
    for name, title, description in PICTURES:
        if name in pictures:
            body.append(f"<h2>{title}</h2>")
            encoded = base64.b64encode(pictures[name]).decode("ascii")
            body.append(f'<img src="data:image/png;base64,{encoded}" alt="{escape(description)}">')
        if name == "curves.png":
            body.append(_epochs(history))
        if name == "confusion_matrix.png":
            body.append(_per_class(summary["per_class_accuracy"]))
    body.append("<h2>Configuration</h2>" + _table(options))
    body.append(f"<pre>rushlight predict {escape(run_path)} picture.png</pre>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(run_name)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _facts(summary: dict[str, Any]) -> str:
    facts = (
        (f"{summary['test_accuracy']:.2%}", "test accuracy"),
        (f"{summary['best_test_accuracy']:.2%}", f"best, epoch {summary['best_epoch']}"),
        (f"{summary['parameters']:,}", "parameters"),
        (f"{summary['images_per_second']:,.0f}", "training images/s"),
        (f"{summary['seconds']:.0f} s", f"for {summary['epochs']} epochs"),
    )
    cells = "".join(f"<div><b>{escape(value)}</b>{escape(name)}</div>" for value, name in facts)
    return f'<div class="facts">{cells}</div>'


def _epochs(history: list[dict[str, Any]]) -> str:
    head = "<tr><th>epoch</th><th>train loss</th><th>test loss</th><th>test accuracy</th>"
    head += "<th>learning rate</th><th>seconds</th></tr>"
    rows = "".join(
        f"<tr><td>{r['epoch']}</td><td>{r['train_loss']:.4f}</td><td>{r['test_loss']:.4f}</td>"
        f"<td>{r['test_accuracy']:.2%}</td><td>{r['lr']:.4g}</td><td>{r['seconds']:.1f}</td></tr>"
        for r in history
    )
    return f'<div class="wide"><table>{head}{rows}</table></div>'


def _per_class(accuracies: dict[str, float]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td>{value:.1%}</td><td class="bar">'
        f'<span style="width:{100 * value:.1f}%"></span></td></tr>'
        for name, value in accuracies.items()
    )
    head = '<tr><th>class</th><th>accuracy</th><th class="bar"></th></tr>'
    return f'<h2>Accuracy per class</h2><div class="wide"><table>{head}{rows}</table></div>'


def _table(values: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(str(name))}</code></td><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f'<div class="wide"><table>{rows}</table></div>'
