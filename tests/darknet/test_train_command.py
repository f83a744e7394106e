"""`rushlight detect-train`: the run folder, resuming, other data, and errors of one line."""

import json
import signal
import sys

import numpy as np
import pytest

import rushlight
from rushlight.cli import main
from rushlight.cli.detect_train import network, report, trainer
from rushlight.cli.detect_train.configuration import Configuration
from rushlight.darknet import Darknet, parse_cfg, parse_cfg_text
from rushlight.darknet.training.darknet_format import write_darknet_data
from rushlight.darknet.training.generator import generated_data
from rushlight.darknet.training.labels import DetectionData, LabelledPicture

from ..train.helpers import start

pytest.importorskip("typer")
Image = pytest.importorskip("PIL.Image")

QUICK = ("--pictures", 16, "--size", 64, "--batch-size", 4, "--workers", 0)


@pytest.fixture
def without_pictures(monkeypatch):
    for name in ("curves", "sheet"):
        monkeypatch.setattr(report, name, lambda *arguments: b"")


def command(*arguments):
    return main([str(argument) for argument in ("detect-train", *arguments)])


def error_of(capsys, *arguments):
    """Run it, expect a failure of one line, and return (exit code, line)."""
    code = command(*arguments)
    line = capsys.readouterr().err
    assert code != 0 and line.count("\n") == 1, line
    return code, line


def weights(run):
    return rushlight.load(run / "last.pt", weights_only=True)["model"]


def same_weights(first, second):
    first, second = weights(first), weights(second)
    return list(first) == list(second) and all(rushlight.equal(first[n], second[n]) for n in first)


def rows(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    for line in lines:
        del line["seconds"]
    return lines


def darknet_data(folder, count=8, names=("ball", "box")):
    """White squares and grey bars, in Darknet's format."""
    rng = np.random.default_rng(0)
    data = DetectionData(names)
    for number in range(count):
        pixels = np.zeros((48, 64, 3), np.uint8)
        x, y = rng.integers(0, 30, 2)
        label = number % len(names)
        pixels[y : y + 16, x : x + 16 + 14 * label] = 255 - 100 * label
        path = folder / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        box = [[x, y, x + 16 + 14 * label, y + 16]]
        (data.test if number % 4 == 3 else data.train).append(LabelledPicture(path, box, [label]))
    sizes = {"train": [(64, 48)] * len(data.train), "test": [(64, 48)] * len(data.test)}
    return write_darknet_data(folder, data, sizes)


def test_a_run_on_generated_pictures(tmp_path, capsys):
    run = tmp_path / "run"
    assert command("--epochs", 2, "--out", run, *QUICK) == 0
    output = capsys.readouterr().out
    assert "epoch 2/2" in output and "AP50" in output
    assert {path.name for path in run.iterdir()} == {
        "config.json", "network.cfg", "classes.names", "metrics.jsonl", "last.pt", "last.weights",
        "best.weights", "summary.json", "curves.png", "predictions.png", "report.html",
    }  # fmt: skip
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["class_ap50"]) == set((run / "classes.names").read_text().split())
    assert rows(run)[-1]["ap50"] is not None
    assert Image.open(run / "predictions.png").size[0] > 500
    assert "<script" not in (run / "report.html").read_text()


@pytest.mark.usefixtures("without_pictures")
def test_detect_reads_the_run(tmp_path, capsys):
    """With Darknet's weights in the run folder, `rushlight detect` finds what the network says."""
    run = tmp_path / "run"
    data = darknet_data(tmp_path / "data")
    assert command("--data", data, "--epochs", 1, "--out", run, *QUICK) == 0
    picture = tmp_path / "data" / "images" / "0.png"
    arguments = [
        "detect", picture, "--cfg", run / "network.cfg", "--weights", run / "last.weights",
        "--names", run / "classes.names", "--out", tmp_path / "found", "--threshold", "0.0001",
    ]  # fmt: skip
    assert main([str(one) for one in arguments]) == 0
    found = json.loads((tmp_path / "found" / "detections.json").read_text())
    assert found and {row["category_id"] for row in found} <= {1, 2}


@pytest.mark.usefixtures("without_pictures")
def test_the_small_network_fits_the_data(tmp_path):
    run = tmp_path / "run"
    options = ("--epochs", 1, "--size", "96x64", "--batch-size", 2, "--workers", 0)
    assert command("--data", darknet_data(tmp_path / "data"), "--out", run, *options) == 0
    blocks = parse_cfg(str(run / "network.cfg"))
    assert (blocks[0]["width"], blocks[0]["height"]) == ("96", "64")
    heads = [block for block in blocks if block["type"] == "yolo"]
    assert [head["classes"] for head in heads] == ["2", "2"]
    sizes = [float(side) for side in heads[0]["anchors"].split(",")]
    # Squares of 16 and bars of 30 x 16 pixels in 64 x 48, seen at 96 x 64.
    assert min(abs(wide - 24) for wide in sizes[::2]) <= 1
    assert min(abs(wide - 45) for wide in sizes[::2]) <= 1


@pytest.fixture
def interpreted(monkeypatch):
    """For processes of their own: when compiled code takes over from the interpreter depends on the
    machine's load, and the two round differently. What is drawn, saved and restored does not."""
    monkeypatch.setenv("RUSHLIGHT_JIT", "0")

    def finish(*arguments):
        process = start("detect-train", *arguments)
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error

    return finish


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX matter")
def test_killed_run_continues_to_the_same_bits(tmp_path, interpreted):
    options = ("--epochs", 3, "--mosaic", 0.5, "--multi-scale", 1.3, *QUICK)
    interpreted("--out", tmp_path / "whole", *options)
    process = start("detect-train", "--out", tmp_path / "cut", *options)
    for line in process.stdout:
        if line.startswith("epoch 2/3 "):
            process.send_signal(signal.SIGKILL)
            break
    else:
        pytest.fail(f"no second epoch: {process.stderr.read()}")
    process.communicate(timeout=120)
    done = rushlight.load(tmp_path / "cut" / "last.pt")["epoch"]
    assert done in (1, 2)
    interpreted("--resume", tmp_path / "cut")
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    assert rows(tmp_path / "whole") == rows(tmp_path / "cut")
    assert (tmp_path / "cut" / "report.html").exists()


def test_workers_change_nothing(tmp_path, interpreted):
    options = ("--epochs", 1, "--mosaic", 0.5, *QUICK[:-1])
    interpreted("--out", tmp_path / "none", *options, 0)
    interpreted("--out", tmp_path / "two", *options, 2)
    assert same_weights(tmp_path / "none", tmp_path / "two")


@pytest.mark.usefixtures("without_pictures")
def test_resuming(tmp_path, capsys):
    run = tmp_path / "run"
    assert command("--epochs", 1, "--out", run, *QUICK) == 0
    before = (run / "last.pt").read_bytes()
    assert command("--resume", run) == 0
    assert "all 1 epochs are done" in capsys.readouterr().out
    assert (run / "last.pt").read_bytes() == before
    assert "a resumed run keeps" in error_of(capsys, "--resume", run, "--lr", 0.5)[1]
    assert "already holds a run" in error_of(capsys, "--out", run)[1]
    (run / "last.pt").write_bytes(before[:1000])
    assert "cannot read checkpoint" in error_of(capsys, "--resume", run)[1]
    assert "not a run folder" in error_of(capsys, "--resume", tmp_path)[1]
    (run / "config.json").write_text('{"options": {}}')
    assert "not a run of detect-train" in error_of(capsys, "--resume", run)[1]


@pytest.mark.usefixtures("without_pictures")
def test_interrupted_run_says_how_to_continue(tmp_path, capsys, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.DetectionTrainer, "evaluate", interrupt)
    code, line = error_of(capsys, "--epochs", 2, "--out", tmp_path / "run", *QUICK)
    assert code == 130 and f"rushlight detect-train --resume {tmp_path / 'run'}" in line


@pytest.mark.usefixtures("without_pictures")
def test_starting_from_weights(tmp_path, capsys):
    first = tmp_path / "first"
    assert command("--epochs", 1, "--out", first, *QUICK) == 0
    options = ("--epochs", 1, "--lr", 1e-9, *QUICK, "--weights", first / "last.weights")
    assert command("--out", tmp_path / "second", *options) == 0
    name = next(n for n in weights(first) if n.endswith("conv_3.weight"))
    one, other = weights(first)[name], weights(tmp_path / "second")[name]
    assert rushlight.allclose(one, other, atol=1e-5)
    assert command("--out", tmp_path / "third", *options, "--cutoff", 4) == 0
    assert rushlight.allclose(one, weights(tmp_path / "third")[name], atol=1e-5)
    (first / "last.weights").write_bytes((first / "last.weights").read_bytes()[:5000])
    assert "--weights: last.weights" in error_of(capsys, "--out", tmp_path / "x", *options)[1]


@pytest.mark.parametrize(
    "options, message",
    [
        (("--data", "nowhere"), "no such folder or .data file"),
        (("--cfg", "nowhere.cfg"), "cannot be read"),
        (("--size", "100"), "multiples of 32"),
        (("--size", "wide"), "WIDTHxHEIGHT"),
        (("--flip", "twice"), "not one of none, horizontal, both"),
        (("--epochs", 0), "--epochs must be at least 1"),
        (("--mosaic", 2), "--mosaic must lie between 0 and 1"),
        (("--cutoff", 3), "give both"),
        (("--weights", "nowhere.weights", *QUICK), "no such file"),
        (("--cfg", "darknet19", *QUICK), "no \\[yolo\\] section"),
        (("--cfg", "yolov3-tiny", *QUICK), "classes=80, the data 20"),
        (("--lr", 1e6, *QUICK), "lower --lr"),
    ],
)
def test_errors_are_one_line(tmp_path, capsys, options, message):
    import re

    code, line = error_of(capsys, "--out", tmp_path / "run", *options)
    assert re.search(message, line) and line.startswith("rushlight detect-train: ")


def test_unreadable_pictures_are_named(tmp_path, capsys):
    data = darknet_data(tmp_path / "data")
    (tmp_path / "data" / "images" / "1.png").write_bytes(b"no picture")
    for workers in (0, 1):
        options = ("--epochs", 1, "--batch-size", 6, "--size", 64, "--workers", workers)
        out = tmp_path / f"run{workers}"
        _, line = error_of(capsys, "--data", data, "--out", out, *options)
        assert "cannot read picture" in line and "1.png" in line


def test_the_format_is_recognised(tmp_path):
    from rushlight.cli.detect_train.data import load_data

    from .test_train_formats import COCO, coco_folder, voc_folder

    notes = []
    voc = load_data(Configuration(data=str(voc_folder(tmp_path / "voc"))), (64, 64), notes.append)
    assert voc.names == ("cell",) and len(voc.train) == 2 and not notes
    (tmp_path / "coco").mkdir()
    coco_path = coco_folder(tmp_path / "coco", COCO)
    coco = load_data(Configuration(data=str(coco_path)), (64, 64), notes.append)
    assert coco.names == ("cat", "dog") and not notes
    data = darknet_data(tmp_path / "darknet", count=16)
    data.write_text("".join(li for li in data.open() if not li.startswith("valid")))
    split = load_data(Configuration(data=str(data)), (64, 64), notes.append)
    assert len(split.train) == 10 and len(split.test) == 2
    assert "every 6th picture" in notes[0]
    again = load_data(Configuration(data=str(data)), (64, 64), notes.append)
    assert [p.path for p in again.test] == [p.path for p in split.test]


def test_a_folder_of_no_known_format(tmp_path, capsys):
    assert "Pascal VOC" in error_of(capsys, "--data", tmp_path, "--out", tmp_path / "run")[1]
    assert not (tmp_path / "run").exists()


def test_cfg_texts_keep_what_is_not_changed():
    text = "# top\n[net]\nwidth=8\n\n[convolutional]\nfilters=3\n[yolo]\n# c\nclasses=1\n"
    changed = network.with_values(
        text,
        {"net": {"width": 16, "flip": 1}, "yolo": {"classes": 2}, "before yolo": {"filters": 21}},
    )
    assert changed == (
        "# top\n[net]\nwidth=16\nflip=1\n\n[convolutional]\nfilters=21\n[yolo]\n# c\nclasses=2\n"
    )


def test_learning_rates_are_stretched_to_the_run():
    text = train_text("policy=steps\nsteps=800,900\nscales=.1,.1\nmax_batches=1000\nburn_in=500\n")
    policy = trainer.policy_of(Configuration(lr=0.5), Darknet(parse_cfg_text(text)), 100)
    assert policy.steps == (80, 90) and policy.burn_in == 10 and policy.learning_rate == 0.5


def test_weights_decay_and_biases_do_not():
    model = Darknet(parse_cfg_text(train_text("decay=0.25\n")))
    decayed, others = trainer.build_optimizer(model, 0.1).param_groups
    assert decayed["weight_decay"] == 0.25 and others["weight_decay"] == 0
    assert all(p.ndim == 4 for p in decayed["params"])
    assert all(p.ndim == 1 for p in others["params"])
    adam = trainer.build_optimizer(Darknet(parse_cfg_text(train_text("adam=1\nB1=.8\n"))), 0.1)
    assert adam.param_groups[0]["betas"] == (0.8, 0.999)


def train_text(net):
    from . import train_cases

    return train_cases.STEPS_CFG.replace("decay=0.01\n", net)


def test_a_first_network_expects_few_objects():
    model = Darknet("yolo-small").eval()
    network.start_from_rare_objects(model)
    found = model(rushlight.rand(1, 3, 64, 64))
    assert found[..., 4].mean().item() == pytest.approx(network.PRIOR, rel=0.5)


@pytest.mark.slow
def test_it_learns(tmp_path):
    """White squares and grey bars are found after a minute."""
    data = darknet_data(tmp_path / "data", count=40)
    options = ("--size", 64, "--batch-size", 10, "--epochs", 60, "--jitter", 0.1, "--workers", 0)
    assert command("--data", data, "--out", tmp_path / "run", *options) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["best_ap50"] > 0.9


def test_generated_data_of_the_configured_size():
    data = generated_data(1, 1, 64)
    assert data.train[0].pixels.shape == (64, 64, 3)
