"""Notes 1: install in a virtual environment; `rushlight doctor` says what CUDA and cuDNN are."""

import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import rushlight

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report():
    pytest.importorskip("rich")
    command = [sys.executable, "-m", "rushlight", "doctor"]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def line_with(report, *words):
    """Return the one-line statement that has every word, or fail."""
    for line in report.splitlines():
        if all(word.lower() in line.lower() for word in words):
            return line
    raise AssertionError(f"no line with {words} in:\n{report}")


def test_runs_in_a_virtual_environment(tmp_path):
    """A fresh environment that sees the installed packages imports rushlight and computes."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    path = os.pathsep.join([str(ROOT), str(Path(np.__file__).parents[1])])
    code = "import rushlight as torch; print((torch.ones(2) + 1).tolist())"
    done = subprocess.run(
        [str(python), "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "[2.0, 2.0]", done.stderr


def test_version_is_a_string():
    assert isinstance(rushlight.__version__, str) and rushlight.__version__[0].isdigit()


def test_doctor_prints_python_and_versions(report):
    line_with(report, "python", platform.python_version())
    line_with(report, "rushlight", rushlight.__version__)
    line_with(report, "numpy", np.__version__)


def test_doctor_prints_cpu_threads_caches_and_devices(report):
    line_with(report, "cpu")
    line_with(report, "threads", str(rushlight.get_num_threads()))
    line_with(report, "cache")
    line_with(report, "device", "cpu")


def test_doctor_explains_cuda_and_cudnn_in_one_line_each(report):
    line = line_with(report, "CUDA", "platform")
    assert "found" in line.lower() and "cudnn" not in line.lower()
    line = line_with(report, "cuDNN", "library", "primitives")
    assert "found" in line.lower()


def test_readme_opens_with_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    opening = text[: text.index("\n## ")] if "\n## " in text else text
    assert "pip install -e '.[cli]' && rushlight train" in opening
    assert "pip install -e '.[test]' && pytest" in opening
    chinese = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    assert "pip install -e '.[cli]' && rushlight train" in chinese
