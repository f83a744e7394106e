"""`rushlight train`: what a run learns and what its folder holds."""

import json
import re

import numpy as np
import pytest

import rushlight

from .helpers import command, idx_folder, picture_folder

pytest.importorskip("typer")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    data = idx_folder(folder / "data")
    run = folder / "run"
    assert command("train", "--data", data, "--epochs", 3, "--batch-size", 6, "--out", run) == 0
    return run


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_it_learns(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["test_accuracy"] > 0.9
    assert rows_of(finished)[-1]["train_loss"] < rows_of(finished)[0]["train_loss"]


def test_metrics_have_one_row_per_epoch(finished):
    rows = rows_of(finished)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert set(row) == {"epoch", "train_loss", "test_loss", "test_accuracy", "lr", "seconds"}
        assert 0 <= row["test_accuracy"] <= 1 and row["seconds"] > 0
    assert rows[0]["lr"] == 0.02 and rows[2]["lr"] < rows[1]["lr"] < 0.02


def test_summary(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["test_accuracy"] == rows_of(finished)[-1]["test_accuracy"]
    assert list(summary["per_class_accuracy"]) == ["0", "1", "2", "3"]
    mean = np.mean(list(summary["per_class_accuracy"].values()))  # the classes are equally often
    assert mean == pytest.approx(summary["test_accuracy"], abs=1e-5)
    assert summary["parameters"] == 61196  # LeNet with one channel and four classes
    assert summary["images_per_second"] > 0


def test_configuration_is_complete(finished):
    config = json.loads((finished / "config.json").read_text())
    assert config["options"]["epochs"] == 3 and config["options"]["optimizer"] == "sgd"
    assert config["input"]["size"] == 32 and config["classes"] == ["0", "1", "2", "3"]


def test_pictures_and_page(finished):
    for name in ("curves.png", "confusion_matrix.png", "predictions.png"):
        content = (finished / name).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 5000
    page = (finished / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:|/|\w+\.(?:png|css|js))", page)
    assert f"{rows_of(finished)[-1]['test_accuracy']:.2%}" in page


def test_checkpoints_hold_the_model(finished):
    last = rushlight.load(finished / "last.pt", weights_only=True)
    best = rushlight.load(finished / "best.pt", weights_only=True)
    assert last["epoch"] == 3 and set(best["model"]) == set(last["model"])
    best_row = max(rows_of(finished), key=lambda row: (row["test_accuracy"], -row["epoch"]))
    assert (best["epoch"], best["test_accuracy"]) == (best_row["epoch"], best_row["test_accuracy"])
    assert not [p for p in finished.iterdir() if p.name.startswith(".")], "left-over halves"


def test_same_seed_same_run(finished, tmp_path):
    data = json.loads((finished / "config.json").read_text())["options"]["data"]
    again = tmp_path / "again"
    command("train", "--data", data, "--epochs", 3, "--batch-size", 6, "--out", again)
    first = rushlight.load(finished / "last.pt")["model"]
    second = rushlight.load(again / "last.pt")["model"]
    assert all(rushlight.equal(first[name], second[name]) for name in first)


def test_workers_do_not_change_the_result(tmp_path):
    data = picture_folder(tmp_path / "data")
    weights = []
    for workers in (0, 2):
        run = tmp_path / f"run{workers}"
        command("train", "--data", data, "--epochs", 1, "--workers", workers, "--out", run)
        weights.append(rushlight.load(run / "last.pt")["model"])
    assert all(rushlight.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_folder_of_class_folders_without_split(tmp_path, capsys):
    data = picture_folder(tmp_path / "data", train=36, split=False, size=40)
    run = tmp_path / "run"
    assert command("train", "--data", data, "--epochs", 1, "--out", run) == 0
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["ant", "bee", "cat"]
    assert (config["train_images"], config["test_images"]) == (30, 6)
    assert "every 6th picture" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ("--optimizer", "adamw", "--scheduler", "onecycle", "--augment", "shift"),
        ("--optimizer", "adagrad", "--scheduler", "onecycle"),
        ("--optimizer", "rmsprop", "--scheduler", "linear"),
        ("--optimizer", "adadelta", "--scheduler", "step", "--augment", "flip"),
        ("--optimizer", "nadam", "--scheduler", "exponential"),
        ("--optimizer", "radam", "--scheduler", "none", "--lr", "0.001"),
    ],
    ids=lambda options: "-".join(options[1::2]),
)
def test_optimizers_and_schedulers(tmp_path, options):
    data = idx_folder(tmp_path / "data", train=60, test=20)
    run = tmp_path / "run"
    assert command("train", "--data", data, "--epochs", 2, "--out", run, *options) == 0
    rows = rows_of(run)
    assert rows[-1]["train_loss"] < 1.5 and np.isfinite(rows[-1]["test_loss"])
    if "none" in options:
        assert rows[0]["lr"] == rows[1]["lr"] == 0.001


def test_predict_prints_the_classes(tmp_path, capsys):
    data = picture_folder(tmp_path / "data", train=90)
    run = tmp_path / "run"
    command("train", "--data", data, "--epochs", 6, "--lr", 0.05, "--augment", "none", "--out", run)
    capsys.readouterr()
    images = [next((data / "test" / name).iterdir()) for name in ("ant", "bee", "cat")]
    assert command("predict", run, *images, "--top", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, image, name in zip(lines, images, ("ant", "bee", "cat")):
        assert re.fullmatch(rf"{re.escape(str(image))}: {name} [\d.]+ %, \w+ [\d.]+ %", line)
