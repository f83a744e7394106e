"""The ladder of RUSHLIGHT_DEBUG: each level prints what the last one does, and more."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

PROGRAM = """
import rushlight as torch
x, y = torch.randn(64, 48), torch.randn(48, 32)
for _ in range(2):
    torch.relu(x @ y + 1).sum().item()
"""
MARKS = [
    r"ran a (new|known) plan of 4 records and 1 outputs because of item\(\)",
    r"because of item\(\): [\d.]+ ms",
    r"[\d.]+ us +[\d.]+ GFLOP/s +[\d.]+ GB/s +\d+%  mm(\+add)?",
    r"%2 = mm\(",
    r"debug/gemm\S+-[0-9a-f]{12}\.ll",
    r"debug/gemm\S+-[0-9a-f]{12}\.s",
]


@pytest.mark.parametrize("level", range(1, 7))
def test_each_level_adds_to_the_last(level, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True,
        env={**os.environ, "RUSHLIGHT_JIT": "sync", "RUSHLIGHT_DEBUG": str(level),
             "RUSHLIGHT_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    found = [bool(re.search(mark, done.stderr)) for mark in MARKS]
    assert found == [True] * level + [False] * (6 - level), done.stderr
    files = re.findall(r"\S+debug/\S+", done.stderr)
    assert len(files) == len(set(files)), "a kernel is shown once"
    for name in files:
        with open(name, encoding="utf-8") as file:
            assert re.search(r"define .*@kernel\(|^kernel:", file.read(), re.MULTILINE)


def test_the_interpreter_has_its_steps_timed_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True,
        env={**os.environ, "RUSHLIGHT_JIT": "0", "RUSHLIGHT_DEBUG": "6",
             "RUSHLIGHT_HOME": str(tmp_path)})
    found = [bool(re.search(mark, done.stderr)) for mark in MARKS]
    assert done.returncode == 0 and found == [True] * 4 + [False] * 2, done.stderr
