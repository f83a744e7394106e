"""Ordinary PyTorch programs print on rushlight what they print on PyTorch, number by number."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rushlight.cli import main

PROGRAMS = Path(__file__).parent / "programs"
PRINTED = json.loads((PROGRAMS / "printed.json").read_text())["programs"]
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)(?!\w)")
# Relative to the number, besides one unit of its last printed digit.
TOLERANCE = 1e-4
# Second-order steps amplify rounding: a few parts in ten thousand after some iterations.
LOOSER = {"time_sequence": 1e-3, "neural_style": 1e-2}
SLOW = {"custom_dataset", "reinforce", "meta_learning", "time_sequence", "seq2seq_attention"}


def same(ours: str, theirs: str, tolerance: float) -> bool:
    """Compare two lines: equal but for the decimal numbers, and those close."""
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    for mine, reference in zip(NUMBER.findall(ours), NUMBER.findall(theirs)):
        digits = len(reference.partition(".")[2].partition("e")[0])
        unit = 10.0**-digits if "e" not in reference.lower() else 0.0
        if abs(float(mine) - float(reference)) > 1.01 * unit + tolerance * abs(float(reference)):
            return False
    return True


def test_comparison_notices_differences():
    assert same("loss 0.12345 a", "loss 0.12346 a", 1e-4)
    assert not same("loss 0.1300", "loss 0.1235", 1e-4)
    assert not same("step 3 loss 0.5", "step 4 loss 0.5", 1e-4)
    assert not same("gradcheck False", "gradcheck True", 1e-4)


def test_every_program_is_recorded():
    assert sorted(PRINTED) == sorted(path.stem for path in PROGRAMS.glob("*.py"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in sorted(PRINTED)],
)
def test_program(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", str(PROGRAMS / f"{name}.py")],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, theirs = done.stdout.splitlines(), PRINTED[name]
    assert len(ours) == len(theirs), done.stdout
    tolerance = LOOSER.get(name, TOLERANCE)
    different = [(a, b) for a, b in zip(ours, theirs) if not same(a, b, tolerance)]
    assert not different, different


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_examine_finds_nothing_missing(name, capsys):
    code = main(["run", "--examine", str(PROGRAMS / f"{name}.py")])
    assert code == 0, capsys.readouterr().out
