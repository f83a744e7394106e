"""Print the lines of tests/laws/not_covered.txt that the present state calls for.

    python tools/list_not_covered.py [--write]

Missing names are listed by themselves. For a difference the reason of the present list is kept; a
new one comes with its message, to be replaced by a reason by hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import rushlight  # noqa: E402
from tests.laws.replay import replay  # noqa: E402
from tests.laws.test_vectors import CASES, LIST, archive, not_covered, verdict  # noqa: E402

HEAD = """\
# Operations whose recorded PyTorch results rushlight does not reproduce (see test_vectors.py).
#   name: missing                rushlight has no such function
#   dtype name: reason           it has, and some sample differs
# Made by tools/list_not_covered.py; reasons are written by hand.
"""


def main() -> None:
    """Replay every case and print or write the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the list")
    options = parser.parse_args()
    listed = not_covered() if LIST.exists() else {}
    missing, differing = set(), {}
    for dtype, name in CASES:
        outcome = replay(rushlight, archive(dtype)[name])
        state = verdict(outcome)
        if state == "missing":
            missing.add(name)
        elif state == "differs":
            subject = f"{dtype} {name}"
            differing[subject] = listed.get(subject, outcome.first_message[:150])
    lines = [f"{name}: missing" for name in sorted(missing)]
    lines += [f"{subject}: {reason}" for subject, reason in sorted(differing.items())]
    text = HEAD + "\n".join(lines) + "\n"
    if options.write:
        LIST.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
