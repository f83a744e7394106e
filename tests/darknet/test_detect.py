"""Real networks on real pictures against PyTorch, the parts of detection by themselves, and the
command that puts them together."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight import darknet
from rushlight.darknet import Detections, Detector, diou_nms, fit_picture, select, soft_nms
from rushlight.darknet.boxes import suppress
from tests.darknet.cases import YOLO, conv, net, write_weights
from tests.darknet.data import needs_shared_data, network_files, shared_data

Image = pytest.importorskip("PIL.Image")

# What PyTorch finds with these files, [class, score, x1, y1, x2, y2]; written by record.py.
PYTORCH = json.loads(Path(__file__).with_name("detections.json").read_text())
REAL = ("yolo-fastest-1.1", "yolo-fastest-1.1-xl")


@pytest.fixture(scope="module")
def real():
    return {name: Detector(darknet.load_network(*network_files(name))) for name in REAL}


@needs_shared_data
@pytest.mark.parametrize("key", PYTORCH)
def test_real_networks_find_what_pytorch_finds(key, real):
    name, picture = key.split()
    found = real[name](Image.open(shared_data() / "pictures" / f"{picture}.jpg"))
    expected = PYTORCH[key]
    assert found.classes.tolist() == [row[0] for row in expected]
    assert np.allclose(found.scores.numpy(), [row[1] for row in expected], atol=0.002)
    assert np.abs(found.boxes.numpy() - [row[2:] for row in expected]).max() < 2


@needs_shared_data
def test_the_best_of_the_published_pictures(real):
    def best(picture):
        detector = real["yolo-fastest-1.1-xl"]
        found = detector(Image.open(shared_data() / "pictures" / picture))
        rows = zip(found.classes.tolist(), found.scores.tolist())
        return [(detector.names[number], round(score, 2)) for number, score in rows]

    assert best("dog.jpg")[:3] == [("dog", 0.89), ("car", 0.87), ("bicycle", 0.86)]
    person, dog = best("person.jpg")[:2]
    assert person[0] == "person" and dog[0] == "dog" and min(person[1], dog[1]) >= 0.985


def test_stretched_and_letterboxed():
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[:, 50:] = 255
    values, fit = fit_picture(picture, (64, 64))
    assert values.shape == (3, 64, 64) and values.dtype is torch.float32
    assert values[0, 10, 10].item() == 0 and values[0, 10, 60].item() == 1
    assert fit == (100, 50, 0.64, 1.28, 0, 0)
    boxed, fit = darknet.letterbox(picture, (64, 64))
    assert fit == (100, 50, 0.64, 0.64, 0, 16)
    assert abs(boxed[0, 3, 3].item() - 128 / 255) < 1e-6 and boxed[0, 16, 63].item() == 1


@pytest.mark.parametrize("keep_shape", [False, True])
@pytest.mark.parametrize("shape", [(50, 100), (90, 30), (64, 64), (1, 300)])
def test_boxes_come_back_to_the_picture(keep_shape, shape):
    height, width = shape
    _, fit = fit_picture(np.zeros((*shape, 3), np.uint8), (96, 128), keep_shape)
    inside = torch.tensor([[1.0, 0.5, width - 1.0, height - 0.25]])
    scale = torch.tensor([fit.across, fit.down] * 2)
    there = inside * scale + torch.tensor([fit.left, fit.top] * 2)
    assert torch.allclose(fit.to_picture(there), inside, atol=1e-3)
    outside = fit.to_picture(torch.tensor([[-500.0, -500, 900, 900]]))
    assert outside.tolist() == [[0, 0, width, height]]


BOXES = torch.tensor(
    [[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 4], [4, 4, 14, 14]]
)
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])


def test_soft_suppression_lowers_scores():
    order, scores = soft_nms(BOXES, SCORES)
    overlaps = [90 / 110, 0.0, 0.4, 36 / 164]
    after_first = [s * np.exp(-(o**2) / 0.5) for s, o in zip([0.8, 0.7, 0.6, 0.5], overlaps)]
    # The second of the order is box 2 (0.7, touched by nobody), whose overlaps are nought.
    assert order.tolist()[:2] == [0, 2] and scores.tolist()[:2] == pytest.approx([0.9, 0.7])
    third, value = order[2].item(), scores[2].item()
    assert (third, value) == (4, pytest.approx(after_first[3]))
    assert (scores[:-1] >= scores[1:]).all() and len(order) == 5
    assert len(soft_nms(BOXES, SCORES, threshold=0.6)[0]) == 2


def test_distance_suppression_spares_boxes_apart():
    plain = suppress(BOXES, SCORES, torch.zeros(5, dtype=torch.int64), 0.2)[0].tolist()
    assert plain == [0, 2]
    # Box 4 overlaps box 0 by 0.22, but their centres are 0.286 of the diagonal apart.
    assert diou_nms(BOXES, SCORES, 0.2).tolist() == [0, 2, 4]
    assert diou_nms(BOXES, SCORES, 0.2, beta=50.0).tolist() == plain


def test_classes_do_not_remove_each_other():
    classes = torch.tensor([0, 1, 0, 0, 1])
    kept, scores = suppress(BOXES, SCORES, classes, 0.3)
    assert kept.tolist() == [0, 1, 2, 4] and torch.equal(scores, SCORES[[0, 1, 2, 4]])
    assert suppress(BOXES, SCORES, classes, 0.3, kind="none")[0].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="greedy, soft, diou, none"):
        suppress(BOXES, SCORES, classes, kind="fast")


@pytest.mark.parametrize("kind", ["greedy", "soft", "diou", "none"])
def test_no_box_at_all(kind):
    found = select(torch.zeros(0, 8), kind=kind)
    assert found.boxes.shape == (0, 4) and found.scores.shape == found.classes.shape == (0,)


def test_selection_by_score_with_several_classes_for_a_box():
    rows = torch.tensor(
        [
            [10.0, 10, 4, 6, 0.9, 0.8, 0.5],
            [50.0, 50, 4, 6, 0.2, 1.0, 1.0],
            [float("nan"), 10, 4, 6, 1.0, 1.0, 1.0],
            [10.0, 10, float("inf"), 6, 1.0, 1.0, 1.0],
        ]
    )
    found = select(rows, threshold=0.4)
    assert found.classes.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.72, 0.45])
    assert found.boxes.tolist() == [[8, 7, 12, 13]] * 2
    assert len(select(rows, threshold=0.1, maximum=3).scores) == 3


def test_a_detector_needs_heads_and_fitting_names(tmp_path):
    with pytest.raises(ValueError, match="classifier"):
        Detector(darknet.Darknet("cifar-small"))
    with pytest.raises(ValueError, match="2 names for 80 classes"):
        Detector(darknet.Darknet("yolov4-tiny"), names=["one", "two"])


def test_sizes_that_do_not_fit_name_the_layer():
    model = darknet.Darknet("yolov4-tiny")
    assert Detector(model, size=(96, 128)).size == (96, 128)
    with pytest.raises(darknet.CfgError, match=r"yolov4-tiny.cfg, line \d+: .route. layer 23 is"):
        Detector(model, size=(100, 100))


def test_grey_pictures_for_networks_of_one_channel(tmp_path):
    cfg = tmp_path / "grey.cfg"
    text = net(32, 32).replace("channels=3", "channels=1")
    cfg.write_text(text + "[maxpool]\nsize=8\nstride=8\n" + conv(16, 1, "linear") + YOLO)
    detector = Detector(darknet.Darknet(cfg), keep_shape=True)
    detector(Image.new("RGB", (40, 20)))
    values, _ = fit_picture(Image.new("RGB", (64, 32), (255, 0, 0)), (64, 64), True, 1)
    assert values.shape == (1, 64, 64)
    assert [round(values[0, row, 5].item() * 255) for row in (2, 30)] == [128, 76]
    cfg.write_text(text.replace("channels=1", "channels=4") + conv(16, 1, "linear") + YOLO)
    with pytest.raises(ValueError, match="1 or 3 channels, and this network 4"):
        Detector(darknet.Darknet(cfg))


@pytest.fixture
def small(tmp_path):
    """(cfg, weights, folder of pictures) of a network with three classes."""
    cfg, weights = tmp_path / "small.cfg", tmp_path / "small.weights"
    cfg.write_text(net(32, 32) + "[maxpool]\nsize=8\nstride=8\n" + conv(16, 1, "linear") + YOLO)
    write_weights(weights, darknet.plan_network(darknet.parse_cfg(cfg)), seed=3)
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in ("b.jpg", "a.png", "000000000139.jpg"):
        pixels = generator.integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return cfg, weights, folder


def command(*arguments):
    pytest.importorskip("typer")
    from rushlight.cli import main

    return main(["detect", *map(str, arguments)])


def test_command_draws_and_writes_coco_results(small, tmp_path, capsys):
    cfg, weights, folder = small
    out = tmp_path / "out"
    files = ("--cfg", cfg, "--weights", weights, "--out", out)
    assert command(*files, "--threshold", 0.2, "--batch-size", 2, folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["000000000139.jpg", "a.png", "b.jpg"]
    assert lines[3].startswith("3 pictures, ") and "pictures/s" in lines[3]
    assert sorted(p.name for p in out.iterdir()) == [
        "000000000139.jpg", "a.png", "b.jpg", "detections.json"]  # fmt: skip
    rows = json.loads((out / "detections.json").read_text())
    assert {row["image_id"] for row in rows} == {139, "a", "b"}
    for row in rows:
        assert set(row) == {"image_id", "category_id", "bbox", "score"}
        assert 1 <= row["category_id"] <= 3 and 0.2 < row["score"] <= 1
        x, y, w, h = row["bbox"]
        assert 0 <= x and 0 <= y and x + w <= 60.01 and y + h <= 40.01
    drawn = np.asarray(Image.open(out / "a.png"))
    assert drawn.shape == (40, 60, 3)
    assert (drawn != np.asarray(Image.open(folder / "a.png"))).any()
    single = {}
    for size in (1, 3):
        command(*files[:4], "--out", tmp_path / str(size), "--batch-size", size, folder)
        single[size] = (tmp_path / str(size) / "detections.json").read_text()
    assert single[1] == single[3]


def test_pictures_of_one_name_are_all_written(small, tmp_path):
    cfg, weights, folder = small
    other = tmp_path / "other"
    other.mkdir()
    Image.open(folder / "b.jpg").save(other / "b.jpg")
    files = ("--cfg", cfg, "--weights", weights, "--out", tmp_path / "out")
    assert command(*files, folder / "b.jpg", other / "b.jpg") == 0
    assert (tmp_path / "out" / "b.jpg").exists() and (tmp_path / "out" / "b-2.jpg").exists()


@pytest.mark.parametrize(
    "change, says",
    [
        ({"cfg": "none.cfg"}, "no such file: none.cfg"),
        ({"weights": "none.weights"}, "no such file: none.weights"),
        ({"cfg": "cifar-small"}, "small.weights: ends early"),
        ({"source": "none.jpg"}, "no such picture, folder or video: none.jpg"),
        ({"options": ("--nms", "fast")}, "use greedy, soft, diou, none"),
        ({"options": ("--size", 7)}, "between 32 and 8192"),
        ({"options": ("--names", "none.names")}, "no such file: none.names"),
        ({"names": "one\ntwo\n"}, "2 names for 3 classes"),
        ({"cfg text": "[net]\nwidth=x"}, "bad.cfg, line 2: [net] width=x"),
        ({"broken": True}, "cannot read picture"),
        ({"empty": True}, "no pictures or videos in the folder"),
    ],
)
def test_command_errors_are_one_line(change, says, small, tmp_path, capsys):
    cfg, weights, folder = small
    source, options = change.get("source", folder), change.get("options", ())
    if "cfg text" in change:
        cfg = tmp_path / "bad.cfg"
        cfg.write_text(change["cfg text"])
    if "names" in change:
        (tmp_path / "x.names").write_text(change["names"])
        options = ("--names", tmp_path / "x.names")
    if "broken" in change:
        (folder / "c.jpg").write_bytes(b"no picture")
    if "empty" in change:
        source = tmp_path / "nothing"
        source.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = command("--cfg", change.get("cfg", cfg), "--weights", change.get("weights", weights),
                       "--out", tmp_path / "out", *options, source)  # fmt: skip
    error = capsys.readouterr().err
    assert code in (1, 2) and says in error and error.count("\n") == 1
    if "broken" in change:  # the others have been looked at
        assert (tmp_path / "out" / "b.jpg").exists()


def test_video_frames_are_drawn_and_counted(small, tmp_path, capsys):
    av = pytest.importorskip("av", reason="videos need PyAV (the video extra)")
    cfg, weights, folder = small
    picture = Image.open(folder / "a.png").resize((64, 48))
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    files = ("--cfg", cfg, "--weights", weights, "--out", tmp_path / "out")
    assert command(*files, "--threshold", 0.1, tmp_path / "clip.mp4") == 0
    rows = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert {row["image_id"] for row in rows} <= {f"clip#{n}" for n in range(5)} and rows
    with av.open(str(tmp_path / "out" / "clip.mp4")) as container:
        assert len(list(container.decode(video=0))) == 5


def test_videos_without_pyav_say_what_to_install(small, tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    cfg, weights, _ = small
    (tmp_path / "clip.mp4").write_bytes(b"")
    files = ("--cfg", cfg, "--weights", weights, "--out", tmp_path / "out")
    assert command(*files, tmp_path / "clip.mp4") == 1
    assert "pip install 'rushlight[video]'" in capsys.readouterr().err


def test_drawing_keeps_labels_inside_and_apart():
    from rushlight.darknet.drawing import class_colour, draw_detections

    picture = Image.new("RGB", (200, 120), (90, 90, 90))
    boxes = torch.tensor([[0.0, 0, 199, 119], [150, 100, 199, 119], [0, 0, 120, 80]])
    found = Detections(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 1, 2]))
    drawing = draw_detections(picture, found, ["one", "two", "three"])
    assert drawing.size == picture.size and picture.getpixel((0, 0)) == (90, 90, 90)
    pixels = np.asarray(drawing).reshape(-1, 3)
    for number in range(3):
        assert (pixels == class_colour(number)).all(1).sum() > 100
    assert len({class_colour(number) for number in range(80)}) == 80
    nothing = Detections(boxes[:0], torch.tensor([]), torch.tensor([], dtype=torch.int64))
    assert draw_detections(picture, nothing, []).tobytes() == picture.tobytes()
