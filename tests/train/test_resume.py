"""`rushlight train --resume`: a run that was killed ends with the bits it would have had."""

import json
import signal
import sys

import pytest

import rushlight
from rushlight.cli import main

from .helpers import command, idx_folder, start

pytest.importorskip("typer")
pytestmark = pytest.mark.usefixtures("without_pictures")


def weights(run):
    return rushlight.load(run / "last.pt", weights_only=True)["model"]


def same_weights(first, second):
    first, second = weights(first), weights(second)
    return list(first) == list(second) and all(rushlight.equal(first[n], second[n]) for n in first)


def train_until(line_start, out, data, signal_number, *options):
    process = start("train", "--data", data, "--out", out, *options)
    for line in process.stdout:
        if line.startswith(line_start):
            process.send_signal(signal_number)
            break
    else:
        pytest.fail(f"no line {line_start!r}: {process.stderr.read()}")
    output, error = process.communicate(timeout=120)
    return process.returncode, error


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
@pytest.mark.parametrize(
    "options",
    [("--augment", "flip-shift"), ("--optimizer", "adam", "--scheduler", "onecycle")],
    ids=["sgd", "adam"],
)
def test_killed_run_continues_to_the_same_bits(tmp_path, options):
    data = idx_folder(tmp_path / "data", train=600)
    options = ("--epochs", 4, "--batch-size", 20, *options)
    assert command("train", "--data", data, "--out", tmp_path / "whole", *options) == 0
    code, _ = train_until("epoch 3/4 ", tmp_path / "cut", data, signal.SIGKILL, *options)
    assert code == -signal.SIGKILL
    done = rushlight.load(tmp_path / "cut" / "last.pt")["epoch"]
    assert done == 2, "killed within the third epoch"
    assert command("train", "--resume", tmp_path / "cut") == 0
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    rows = [json.loads(line) for line in (tmp_path / "cut" / "metrics.jsonl").open()]
    whole = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").open()]
    for row in (*rows, *whole):
        del row["seconds"]
    assert rows == whole
    assert (tmp_path / "cut" / "report.html").exists()


def test_state_of_dropout_continues(tmp_path, monkeypatch):
    """The generators' states are part of a checkpoint: a network that draws numbers shows it."""
    from rushlight import nn
    from rushlight.cli.training import networks, trainer

    def build(name, channels, classes):
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(1024, classes))

    monkeypatch.setattr(networks, "build_model", build)
    data = idx_folder(tmp_path / "data", train=100)
    options = ("--data", data, "--epochs", 3)
    assert command("train", "--out", tmp_path / "whole", *options) == 0

    class Stop(Exception):
        pass

    plain = trainer.Trainer.save

    def save_and_stop(self):
        plain(self)
        if self.epoch == 1:
            raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(trainer.Trainer, "save", save_and_stop)
        command("train", "--out", tmp_path / "cut", *options)
    rushlight.manual_seed(99)
    rushlight.rand(1000)
    assert command("train", "--resume", tmp_path / "cut") == 0
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a POSIX signal")
@pytest.mark.parametrize("workers", [0, 2])
def test_interrupted_run_says_how_to_continue(tmp_path, workers):
    data = idx_folder(tmp_path / "data", train=600)
    options = ("--epochs", 4, "--batch-size", 20, "--workers", workers)
    code, error = train_until("epoch 2/4 ", tmp_path / "run", data, signal.SIGINT, *options)
    assert code == 130
    assert error.count("\n") == 1, error
    assert f"rushlight train --resume {tmp_path / 'run'}" in error
    assert rushlight.load(tmp_path / "run" / "last.pt")["epoch"] == 1


def test_resuming_a_finished_run_changes_nothing(tmp_path, capsys):
    data = idx_folder(tmp_path / "data", train=40)
    run = tmp_path / "run"
    command("train", "--data", data, "--epochs", 1, "--out", run)
    before = (run / "last.pt").read_bytes(), (run / "metrics.jsonl").read_text()
    assert command("train", "--resume", run) == 0
    assert "all 1 epochs are done" in capsys.readouterr().out
    assert before == ((run / "last.pt").read_bytes(), (run / "metrics.jsonl").read_text())


def test_resume_without_a_name(tmp_path, monkeypatch):
    data = idx_folder(tmp_path / "data", train=40)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--resume"]) == 2
    assert main(["train", "--data", str(data), "--epochs", "1"]) == 0
    assert main(["train", "--resume"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert main(["train", "--out", str(run), "--resume"]) == 0
    assert main(["train", "--resume", "--out", str(run), "--epochs", "1"]) == 0
