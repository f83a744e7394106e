"""`rushlight train`: every mistake gives one clear line and the right exit code."""

import json
import sys

import pytest

from .helpers import command, idx_folder, picture_folder, start

pytest.importorskip("typer")
pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return idx_folder(tmp_path_factory.mktemp("errors") / "data", train=40, test=10)


def failure(capsys, *arguments):
    """Return (exit code, the one line on standard error)."""
    capsys.readouterr()
    code = command(*arguments)
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text, text
    return code, text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--epoch", "3"), 2, "No such option: --epoch"),
        (("--epochs", "many"), 2, "--epochs"),
        (("--epochs", "0"), 2, "--epochs must be at least 1"),
        (("--batch-size", "0"), 2, "--batch-size must be at least 1"),
        (("--lr", "-1"), 2, "--lr must be a positive number"),
        (("--lr", "nan"), 2, "--lr must be a positive number"),
        (("--optimizer", "sdg"), 2, "sgd, adam"),
        (("--scheduler", "cosin"), 2, "cosine, onecycle"),
        (("--model", "lenett"), 2, "did you mean 'lenet'"),
        (("--data", "fashion"), 2, "did you mean 'fashion-mnist'"),
        (("--data", "/no/such/folder"), 2, "neither a folder nor one of"),
        (("--device", "cuda"), 1, "no CUDA device was found"),
        (("--device", "teapot"), 2, "--device 'teapot'"),
        (("--config", "missing.json"), 2, "missing.json"),
        (("--resume", "/no/such/run"), 1, "is not a run folder"),
        (("surplus",), 2, "surplus"),
    ],
)
def test_wrong_options(capsys, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    found, text = failure(capsys, "train", *arguments)
    assert found == code and words in text
    assert not list(tmp_path.iterdir()), "a mistake leaves no run folder behind"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[1]", "table of options"),
        ('{"epoch": 2}', "did you mean 'epochs'"),
        ('{"epochs": "two"}', "a whole number"),
        ('{"lr": true}', "a number"),
    ],
)
def test_wrong_configuration_files(capsys, tmp_path, content, words):
    (tmp_path / "config.json").write_text(content)
    code, text = failure(capsys, "train", "--config", tmp_path / "config.json")
    assert code == 2 and words in text


def test_options_win_over_the_configuration_file(tmp_path, data):
    options = {"data": str(data), "epochs": 5, "batch-size": 10, "lr": 1, "optimizer": "adam"}
    (tmp_path / "config.json").write_text(json.dumps(options))
    run = tmp_path / "run"
    arguments = ("--config", tmp_path / "config.json", "--epochs", 1, "--lr", 0.001)
    assert command("train", *arguments, "--out", run) == 0
    stored = json.loads((run / "config.json").read_text())["options"]
    assert (stored["epochs"], stored["lr"]) == (1, 0.001)
    assert (stored["batch_size"], stored["optimizer"]) == (10, "adam")


def test_toml_configuration(capsys, tmp_path, data):
    (tmp_path / "config.toml").write_text(f"data = '{data}'\nepochs = 1\nlr = 0.01\n")
    arguments = ("train", "--config", tmp_path / "config.toml", "--out", tmp_path / "run")
    if sys.version_info >= (3, 11):
        assert command(*arguments) == 0
        stored = json.loads((tmp_path / "run" / "config.json").read_text())["options"]
        assert (stored["epochs"], stored["lr"]) == (1, 0.01)
    else:
        code, text = failure(capsys, *arguments)
        assert code == 2 and "JSON" in text


def test_out_that_holds_a_run(capsys, tmp_path, data):
    run = tmp_path / "run"
    assert command("train", "--data", data, "--epochs", 1, "--out", run) == 0
    code, text = failure(capsys, "train", "--data", data, "--out", run)
    assert code == 2 and "already holds a run" in text and "--resume" in text
    code, text = failure(capsys, "train", "--resume", run, "--lr", 0.5)
    assert code == 2 and "--lr 0.5 differs" in text


def test_corrupt_picture(capsys, tmp_path):
    data = picture_folder(tmp_path / "data", train=12, test=6)
    broken = data / "train" / "bee" / "zzz.png"
    broken.write_bytes((data / "train" / "bee" / "001.png").read_bytes()[:100])
    code, text = failure(capsys, "train", "--data", data, "--out", tmp_path / "run")
    assert code == 1 and str(broken) in text
    assert not (tmp_path / "run").exists()


def test_folder_without_pictures(capsys, tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    code, text = failure(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert code == 2 and "at least two class folders" in text
    (tmp_path / "data" / "b").mkdir()
    code, text = failure(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert code == 1 and "no pictures" in text


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train-images-idx3-ubyte", lambda c: c[:-7], "its header says"),
        ("train-labels-idx1-ubyte", lambda c: c[:2], "not an IDX file"),
        ("t10k-images-idx3-ubyte", lambda c: b"\0\0\x0d" + c[3:], "not an IDX file"),
        ("t10k-images-idx3-ubyte", lambda c: c[:4] + b"\xff" * 12 + c[16:], "its header says"),
    ],
)
def test_damaged_idx_files(capsys, tmp_path, name, change, words):
    data = idx_folder(tmp_path / "data", train=8, test=4)
    (data / name).write_bytes(change((data / name).read_bytes()))
    code, text = failure(capsys, "train", "--data", data, "--out", tmp_path / "run")
    assert code == 1 and name in text and words in text


def test_damaged_checkpoint(capsys, tmp_path, data):
    run = tmp_path / "run"
    command("train", "--data", data, "--epochs", 1, "--out", run)
    content = (run / "last.pt").read_bytes()
    (run / "last.pt").write_bytes(content[: len(content) // 2])
    code, text = failure(capsys, "train", "--resume", run)
    assert code == 1 and "last.pt" in text
    (run / "best.pt").write_bytes(b"")
    code, text = failure(capsys, "predict", run, "x.png")
    assert code == 1 and "best.pt" in text


def test_diverging_loss(capsys, tmp_path, data):
    arguments = ("--optimizer", "sgd", "--lr", "1e30", "--epochs", 2, "--out", tmp_path / "run")
    code, text = failure(capsys, "train", "--data", data, *arguments)
    assert code == 1 and "lower --lr" in text


def test_predict_mistakes(capsys, tmp_path, data):
    run = tmp_path / "run"
    command("train", "--data", data, "--epochs", 1, "--out", run)
    code, text = failure(capsys, "predict", run, tmp_path / "none.png")
    assert code == 1 and "no such picture" in text and "none.png" in text
    (tmp_path / "text.png").write_text("not a picture")
    code, text = failure(capsys, "predict", run, tmp_path / "text.png")
    assert code == 1 and "cannot read picture" in text
    code, text = failure(capsys, "predict", tmp_path, tmp_path / "text.png")
    assert code == 1 and "is not a run folder" in text
    code, text = failure(capsys, "predict", run)
    assert code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a POSIX matter")
def test_full_disk(tmp_path, data):
    import resource

    run = tmp_path / "run"
    limit = 300_000  # the weights fit, the whole checkpoint does not
    process = start(
        "train", "--data", data, "--epochs", 2, "--out", run,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    _, text = process.communicate(timeout=120)
    assert process.returncode == 1
    assert text.count("\n") == 1 and "no space left" in text and "last.pt" in text
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
