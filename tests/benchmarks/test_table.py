"""The benchmark's own arithmetic: rows, FLOPs, deviations, verdicts. Nothing is timed here."""

import json

import pytest

import rushlight as torch
from benchmarks import measure, report
from benchmarks.rows import ROWS
from benchmarks.table import chosen
from rushlight.core.runtime import observe, realize

CHEAP = ("lenet4", "sgemm256", "gemv4096")
BY_NAME = {row.name: row for row in ROWS}


# A row counts the scores that a causal mask leaves out, and no product twice.
ATTENTION = {"attention": 2, "attention_backward": 2 * 4 / 5}


class Counter(observe.Observer):
    """Adds up the FLOPs of matrix products and convolutions."""

    def __init__(self):
        self.flops = 0

    def plan_run(self, record, run):
        products = ("mm", "bmm", "mv", "linear", "convolution", "addmm", "lstm")
        self.flops += sum(s.flops * ATTENTION.get(s.name, s.name.startswith(products))
                          for s in record.steps)


def flops_of_a_step(row):
    """FLOPs of one step's products, as the runtime counts them."""
    step = row.build(torch, lambda work: work).step
    step()
    counter = Counter()
    observe.watch(counter)
    try:
        step()
    finally:
        observe.unwatch(counter)
    return counter.flops


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    """A step is one op: a fused one would count what was fused into the product too."""
    monkeypatch.setattr(realize, "COMPILES", False)


def test_every_row_has_one_name_and_one_limit():
    assert len(BY_NAME) == len(ROWS)
    for row in ROWS:
        assert (row.flops > 0) != (row.bytes > 0), row.name
        assert (row.aim is None) != (row.aim_share is None), row.name
        assert row.aim is None or row.aim >= row.at_least, row.name


@pytest.mark.parametrize("name", CHEAP)
def test_the_work_of_a_row_is_what_the_runtime_counts(name):
    row = BY_NAME[name]
    expected = row.flops or 2 * row.bytes / 4       # a row of bytes: each float is used once
    assert flops_of_a_step(row) == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv2", "resnet50", "gpt", "lstm", "conv512-backward"])
def test_the_work_of_a_network_is_what_the_runtime_counts(name):
    assert flops_of_a_step(BY_NAME[name]) == pytest.approx(BY_NAME[name].flops, rel=0.01)


def test_deviation_is_relative_to_the_largest_number():
    assert measure.deviation([[1.0, 100.0]], [[2.0, 100.0]]) == pytest.approx(0.01)
    assert measure.deviation([[1.0]], [[1.0, 1.0]]) == float("inf")
    with pytest.raises(ValueError):
        measure.deviation([1.0], [1.0, 2.0])


def test_rows_are_chosen_by_name_or_beginning():
    assert [row.name for row in chosen(["sgemm*", "gpt"])] == [
        "gpt", "sgemm256", "sgemm512", "sgemm1024", "sgemm2048"]
    with pytest.raises(SystemExit, match="no row is named nothing"):
        chosen(["nothing"])


@pytest.mark.parametrize("ratio, share, expected", [
    (0.9, 0.2, "no"), (1.0, 0.2, "yes"), (1.3, 0.2, "aim")])
def test_a_verdict_by_ratio(ratio, share, expected):
    result = {"ratio": ratio, "at_least": 1.0, "aim": 1.2, "share": {"rushlight": share}}
    assert report.verdict(result) == expected


def test_a_verdict_by_share_and_by_failure():
    result = {"ratio": 5, "at_least": 4, "aim": None, "aim_share": 0.8,
              "share": {"rushlight": 0.85}}
    assert report.verdict(result) == "aim"
    assert report.verdict({**result, "share": {"rushlight": 0.7}}) == "yes"
    assert report.verdict({"errors": {"rushlight": "RuntimeError"}}) == "failed"


def test_turns_measure_each_library_once_a_round():
    calls = []
    found = measure.take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
                               {"a": 10.0, "b": 10.0}, rounds=2)
    assert calls == ["a", "a", "b", "b", "b", "b", "a", "a"]      # one untimed, one timed
    assert len(found["a"]) == len(found["b"]) == 2


def test_a_book_comes_back_as_it_was_saved(tmp_path):
    path = tmp_path / "book.json"
    assert report.load(path) == {"threads": {}}
    report.save(path, {"threads": {"2": {"rows": {}}}})
    assert report.load(path) == json.loads(path.read_text()) == {"threads": {"2": {"rows": {}}}}


def test_the_documentation_table_marks_what_is_reached():
    result = {"title": "work", "at_least": 1.0, "aim": 2, "ratio": 1.5, "unit": "FLOP/s",
              "seconds": {"rushlight": 0.002, "torch": 0.003}, "deviation": 1e-7,
              "speed": {"rushlight": 5e9}, "share": {"rushlight": 0.25}}
    missed = {**result, "ratio": 0.5}
    rows = report.markdown({"threads": {"2": {"rows": {"a": result, "b": missed}}}}, "2")
    assert rows.splitlines()[2:] == [
        "| work | 2 ms | 3 ms | **1.50** | 1 | 2 | 5 GFLOP/s  25% | 1e-07 |",
        "| work | 2 ms | 3 ms | 0.50 | 1 | 2 | 5 GFLOP/s  25% | 1e-07 |"]
