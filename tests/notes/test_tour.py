"""docs/tour.py prints what docs/tour.txt records (made by PyTorch 2.13 from the same text)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAINED = re.compile(r"(.*(?:loss: |pictures: ))([0-9.]+)( %)?")


def test_tour():
    command = [sys.executable, str(ROOT / "docs" / "tour.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr
    recorded = (ROOT / "docs" / "tour.txt").read_text(encoding="utf-8").splitlines()
    printed = done.stdout.splitlines()
    assert len(printed) == len(recorded), done.stdout
    for line, expected in zip(printed, recorded):
        number = TRAINED.fullmatch(expected)
        if number is None:
            assert line == expected
            continue
        # After hundreds of steps rounding shows: PyTorch itself differs from one thread to two.
        got = TRAINED.fullmatch(line)
        assert got is not None and got.group(1, 3) == number.group(1, 3), line
        tolerance = 3 if number.group(3) else 0.05
        assert float(got.group(2)) == pytest.approx(float(number.group(2)), abs=tolerance)
