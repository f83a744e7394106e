"""Every operation gives PyTorch's recorded results: values, dtypes, shapes and gradients.

`not_covered.txt` names what does not, one line each: `name: missing` for what rushlight lacks,
`dtype name: reason` for a known difference. The list is exact: an op that is listed and passes
fails here too, so a line goes away with the commit that makes it pass.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import rushlight
from tests.laws.replay import Outcome, replay
from tests.laws.vectors import Archive

DATA = Path(__file__).resolve().parents[1] / "data" / "vectors"
LIST = Path(__file__).with_name("not_covered.txt")
DTYPES = ("float32", "int64", "bool", "bfloat16", "complex64")


@functools.cache
def archive(dtype: str) -> Archive:
    return Archive(DATA / f"{dtype}.zip")


@functools.cache
def not_covered() -> dict[str, str]:
    """The list: what is before the colon to what is after it."""
    entries = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            subject, colon, reason = line.partition(":")
            assert colon and reason.strip(), f"a line without a reason: {line}"
            assert subject not in entries, f"listed twice: {subject}"
            entries[subject] = reason.strip()
    return entries


def verdict(outcome: Outcome) -> str:
    """passes, missing or differs."""
    if outcome.state == "missing":
        return "missing"
    return "passes" if outcome.covered else "differs"


CASES = [(dtype, name) for dtype in DTYPES for name in archive(dtype).names]


@pytest.mark.parametrize(("dtype", "name"), CASES, ids=lambda value: str(value))
def test_recorded_results(dtype, name):
    outcome = replay(rushlight, archive(dtype)[name])
    got = verdict(outcome)
    listed = not_covered()
    if listed.get(name) == "missing":
        assert got == "missing", f"{name} exists now: take its line out of {LIST.name}"
    elif f"{dtype} {name}" in listed:
        assert got == "differs", f"{dtype} {name} passes now: take its line out of {LIST.name}"
    else:
        assert got == "passes", f"{got}: {outcome.first_message}"


def test_the_list_names_recorded_ops_only():
    known = {name for _, name in CASES} | {f"{dtype} {name}" for dtype, name in CASES}
    assert not set(not_covered()) - known


def test_at_least_250_names_are_covered():
    names: dict[str, bool] = {}
    listed = not_covered()
    for dtype, name in CASES:
        base = archive(dtype)[name]["name"]
        passes = listed.get(name) != "missing" and f"{dtype} {name}" not in listed
        names[base] = names.get(base, True) and passes
    assert sum(names.values()) >= 250
