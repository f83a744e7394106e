"""`rushlight.explain` and `rushlight explain`: what they count, the reasons they give, the page."""

import html.parser
import json
import re
import subprocess
import sys

import pytest

import rushlight as torch
from rushlight._explain.collect import kernels
from rushlight._explain.page import roofline
from rushlight._explain.text import milliseconds, shortened, tables
from rushlight.core.runtime import observe, peak

PEAKS = {"flops": 100e9, "bytes": 10e9}


@pytest.fixture(autouse=True)
def known_peaks(monkeypatch):
    """No test measures the machine."""
    monkeypatch.setattr(peak, "peak_flops", lambda threads: PEAKS["flops"])
    monkeypatch.setattr(peak, "copy_speed", lambda threads: PEAKS["bytes"])


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "home"))


def leaf(*shape):
    made = torch.ones(*shape)
    torch.cpu.synchronize()
    return made


def explained(*computations):
    """The report of some computations, each run on its own."""
    with torch.explain() as report:
        for compute in computations:
            compute()
            torch.cpu.synchronize()
    return report


def test_runs_reasons_and_totals_are_counted():
    x = leaf(12, 5)
    report = explained(*[lambda: (x * 3 + 1).sum().item()] * 4)
    plan, = report.plans
    assert plan.runs == 4 and plan.whys == {"item()": 4}
    assert plan.record.names == ["mul", "add", "sum"] and plan.record.outputs == 1
    assert 0 < sum(sum(t.step_seconds) for t in plan.tiers.values()) <= plan.seconds
    assert plan.seconds <= report.seconds
    flops = sum(kernel.flops for kernel in kernels(report.plans))
    assert flops == 4 * 3 * 60
    assert not observe.OBSERVERS


def test_an_error_inside_ends_the_watching():
    with pytest.raises(ZeroDivisionError):
        with torch.explain():
            raise ZeroDivisionError
    assert not observe.OBSERVERS


def test_a_plan_for_another_shape_says_so():
    x, y = leaf(6, 7), leaf(4, 7)
    report = explained(lambda: x.exp().sum(1).tolist(), lambda: y.exp().sum(1).tolist())
    assert report.plans[1].reason == (
        "operand 0 of exp (record 0) is float32[4, 7], in plan 1 it is float32[6, 7]")


def test_a_plan_for_another_parameter_says_so():
    x = leaf(6, 6)
    report = explained(lambda: x.cumsum(0).tolist(), lambda: x.cumsum(1).tolist())
    assert report.plans[1].reason.startswith("the parameters of cumsum (record 0) are (1,")


def test_a_plan_with_another_held_result_says_so():
    x, kept = leaf(9), []

    def holding():
        middle = x.exp()
        kept.append(middle)
        middle.sum().item()
    report = explained(lambda: x.exp().sum().item(), holding)
    assert report.plans[1].reason == (
        "the result of exp (record 0) is still held by the program, unlike in plan 1")


def test_a_plan_with_more_operations_names_them():
    x = leaf(8)

    def chain(extra):
        y = ((x + 1) * 2).exp()
        y = y.tanh() if extra else y
        return (y - 3).sum().item()
    report = explained(lambda: chain(False), lambda: chain(True), lambda: (x @ x).item())
    assert report.plans[1].reason.startswith("like plan 1, with tanh at record 3:")
    assert report.plans[2].reason == "no plan like it was seen before"


def test_nothing_computed_is_said():
    report = explained()
    assert "nothing was computed" in str(report)
    assert "Nothing was computed" in report.html()


def test_text_lists_plans_steps_and_speed():
    a, b = leaf(32, 64), leaf(64, 16)
    text = str(explained(lambda: (a @ b).sum().item()))
    assert "Plans, by time" in text and "plan 1: the first plan" in text
    line = next(line for line in text.splitlines() if line.startswith("mm "))
    assert "float32[32, 16]" in line and line.rstrip().endswith("%")


class Tags(html.parser.HTMLParser):
    """Checks nesting; notes what would be fetched."""

    VOID = {"meta"}

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.seen = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.fetched += [v for k, v in attributes if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(tmp_path):
    x, a = leaf(7, 3), leaf(3, 4)
    report = torch.explain("<b>&title")
    with report:
        ((x @ a).relu() * 2).sum().item()
    report.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == [] and tags.fetched == []
    assert "circle" in tags.seen and "polyline" in tags.seen and "script" not in tags.seen
    assert "&lt;b&gt;&amp;title" in text and "<b>&title" not in text
    assert "url(" not in text and "@import" not in text


def test_circles_lie_below_the_roof_where_steps_are_slower_than_it():
    report = explained(lambda: (leaf(64, 64) @ leaf(64, 64)).sum().item())
    kernel = next(k for k in kernels(report.plans) if k.name == "mm")
    kernel.seconds = 10 * kernel.ideal(PEAKS)
    drawing = roofline([kernel], PEAKS)
    circle = float(re.search(r'cy="([\d.]+)"', drawing).group(1))
    roof = min(float(point.split(",")[1])
               for point in re.search(r'points="([^"]+)"', drawing).group(1).split())
    assert circle > roof          # SVG's y grows downwards


def test_the_peak_is_measured_once_and_again_only_when_a_step_was_faster(monkeypatch):
    assert peak.measured() == PEAKS
    monkeypatch.setattr(peak, "peak_flops", lambda threads: 150e9)
    assert peak.measured() == PEAKS
    assert peak.measured(fastest=120e9) == {**PEAKS, "flops": 150e9}
    monkeypatch.setattr(peak, "peak_flops", lambda threads: 1e9)
    assert peak.measured(fastest=200e9)["flops"] == 150e9       # never lowered by a busy moment


@pytest.mark.parametrize("content", ["", "[1, 2]", "{\"x\": 3}", "{torn"])
def test_a_torn_peak_file_is_replaced(tmp_path, content):
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "peak.json").write_text(content)
    assert peak.measured() == PEAKS
    assert PEAKS in json.loads((folder / "peak.json").read_text()).values()


def test_numbers_and_names_for_reading():
    assert [milliseconds(s) for s in (1.5e-6, 2.5e-3, 3.0)] == ["1.5 us", "2.5 ms", "3 s"]
    assert len(shortened("x" * 100)) <= 44 and shortened("short") == "short"


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "rushlight", "explain", *arguments],
                          capture_output=True, text=True)


def test_the_command_runs_a_program_and_writes_the_page(tmp_path):
    program, page = tmp_path / "program.py", tmp_path / "page.html"
    program.write_text("import sys, torch\nprint(torch.ones(3).sum().item(), sys.argv[1:])\n"
                       "sys.exit(3)\n")
    done = run("--html", str(page), "--threads", "1", str(program), "a", "--b")
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("3.0 ['a', '--b']\n") and "Plans, by time" in done.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("arguments, text", [
    ([], "which program?"), (["--nothing", "x"], "unknown option --nothing"),
    (["--threads", "none", "x"], "positive number"), (["--no-html", "missing.py"], "can't open")])
def test_wrong_use_is_exit_code_2(arguments, text):
    done = run(*arguments)
    assert done.returncode == 2 and text in done.stderr
    assert "Plans" not in done.stdout


def test_tables_have_a_cell_for_every_header():
    for table in tables(explained(lambda: (leaf(3) + 1).tolist())):
        assert all(len(row) == len(table.headers) for row in table.rows)
