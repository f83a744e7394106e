"""The loss and its gradients equal those of an independent implementation in PyTorch, whose loops
over pictures, boxes and cells follow Darknet's yolo_layer.c (recorded in float64)."""

import json
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight.darknet.training.batches import head_targets
from rushlight.darknet.training.loss import YoloLoss
from rushlight.darknet.training.overlap import KINDS, box_iou_matrix, overlap
from rushlight.darknet.training.targets import make_targets, pad_boxes

from . import train_cases

RECORDED = json.loads((Path(__file__).parent / "recorded" / "train_loss.json").read_text())


def run(options, dtype):
    heads = train_cases.heads(**options)
    raws, boxes, labels = train_cases.loss_inputs(options.get("new_coords", False))
    raws = [rushlight.tensor(raw, dtype=dtype).requires_grad_() for raw in raws]
    targets = make_targets(heads, boxes, labels, train_cases.SIZE, train_cases.GRIDS)
    tensors = [[rushlight.tensor(field) for field in target.fields()] for target in targets]
    tensors = [[t.to(dtype) if t.is_floating_point() else t for t in some] for some in tensors]
    given = rushlight.tensor(boxes, dtype=dtype)
    parts = YoloLoss(heads)(raws, head_targets(tensors), given, train_cases.SIZE)
    parts.total.backward()
    return parts, [raw.grad.numpy() for raw in raws]


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("dtype, tolerance", [(rushlight.float64, 5e-8), (rushlight.float32, 2e-6)])
def test_equals_pytorch(name, dtype, tolerance):
    wanted = RECORDED[name]
    parts, gradients = run(wanted["options"], dtype)
    found = [parts.box.item(), parts.objectness.item(), parts.classes.item()]
    np.testing.assert_allclose(found, wanted["parts"], rtol=tolerance)
    assert parts.total.item() == pytest.approx(sum(wanted["parts"]), rel=tolerance)
    for gradient, squares, samples in zip(gradients, wanted["squares"], wanted["samples"]):
        largest = np.abs(gradient).max()
        assert (gradient**2).sum() == pytest.approx(squares, rel=4 * tolerance)
        np.testing.assert_allclose(gradient.reshape(-1)[::37], samples, atol=tolerance * largest)


def test_a_place_of_two_boxes_has_the_last_box_and_both_classes():
    heads = train_cases.heads()
    _, boxes, labels = train_cases.loss_inputs()
    (coarse, fine) = make_targets(heads, boxes, labels, train_cases.SIZE, train_cases.GRIDS)
    shared = np.flatnonzero(fine.classes.sum(1) == 2)
    assert len(shared) == 1
    np.testing.assert_array_equal(fine.boxes[shared[0]], boxes[0, 1])
    np.testing.assert_array_equal(fine.classes[shared[0]], [1, 0, 1])
    assert fine.used.sum() + coarse.used.sum() == 4
    assert fine.objects.sum() == fine.used.sum()


def test_shapes_do_not_depend_on_the_boxes():
    """Steps of equal shapes are one program."""
    heads = train_cases.heads(iou_thresh=0.2)
    _, boxes, labels = train_cases.loss_inputs()
    many = make_targets(heads, boxes, labels, train_cases.SIZE, train_cases.GRIDS)
    none = make_targets(heads, boxes, np.full_like(labels, -1), train_cases.SIZE, train_cases.GRIDS)
    for one, other in zip(many, none):
        assert [f.shape for f in one.fields()] == [f.shape for f in other.fields()]
        assert [f.dtype for f in one.fields()] == [f.dtype for f in other.fields()]
        assert other.used.sum() == 0 and other.objects.sum() == 0


def test_padding_keeps_the_largest_boxes():
    boxes = np.array([[0.5, 0.5, 0.1, 0.1], [0.5, 0.5, 0.3, 0.3], [0.5, 0.5, 0.2, 0.2]], np.float32)
    padded, labels = pad_boxes([boxes, boxes[:1]], [np.array([4, 5, 6]), np.array([7])], 2)
    np.testing.assert_array_equal(labels, [[5, 6], [7, -1]])
    np.testing.assert_array_equal(padded[0], boxes[1:])


@pytest.mark.parametrize(
    "option, value",
    [("truth_thresh", 0.7), ("focal_loss", True), ("max_delta", 5.0), ("iou_thresh_kind", "giou"),
     ("counters_per_class", (1, 2, 3)), ("objectness_smooth", True), ("kind", "region")],
)  # fmt: skip
def test_what_is_missing_is_named(option, value):
    with pytest.raises(NotImplementedError, match=option if option != "kind" else "region"):
        YoloLoss(train_cases.heads(**{option: value}))


def test_neutral_options_are_accepted():
    YoloLoss(train_cases.heads(truth_thresh=1.0, focal_loss=False, counters_per_class=()))
    with pytest.raises(ValueError, match="no \\[yolo\\]"):
        YoloLoss([])


@pytest.mark.parametrize("kind", KINDS)
def test_overlap_agrees_with_the_vision_room(kind):
    from rushlight.vision import ops

    drawn = train_cases.numbers(80).reshape(2, 10, 4) * 0.5 + 0.1
    first, second = (rushlight.tensor(part) for part in drawn)
    corners = [ops.box_convert(part, "cxcywh", "xyxy") for part in (first, second)]
    function = {
        "iou": ops.box_iou, "giou": ops.generalized_box_iou, "diou": ops.distance_box_iou,
        "ciou": ops.complete_box_iou,
    }[kind]  # fmt: skip
    expected = function(*corners).diagonal()
    np.testing.assert_allclose(overlap(first, second, kind).numpy(), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_overlap(kind):
    drawn = train_cases.numbers(24, 5).reshape(2, 3, 4) * 0.5 + 0.2
    first, second = (rushlight.tensor(part).requires_grad_() for part in drawn)
    if kind == "ciou":  # its weight is a constant for the gradient: compare with one that is
        iou = overlap(first, second, "iou")
        shapes = [rushlight.atan(box[:, 2] / box[:, 3]) for box in (first, second)]
        unlike = 4 / np.pi**2 * (shapes[1] - shapes[0]) ** 2
        weight = (unlike / (1 - iou + unlike)).detach()
        expected = overlap(first, second, "diou") - weight * unlike
        found = overlap(first, second, "ciou")
        wanted = rushlight.autograd.grad(expected.sum(), (first, second))
        for one, other in zip(rushlight.autograd.grad(found.sum(), (first, second)), wanted):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    else:
        assert rushlight.autograd.gradcheck(lambda a, b: overlap(a, b, kind), (first, second))


def test_overlap_of_boxes_apart_and_without_area():
    apart = rushlight.tensor([[0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]], requires_grad=True)
    other = rushlight.tensor([[0.8, 0.8, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]])
    for kind in KINDS:
        value = overlap(apart, other, kind)
        (gradient,) = rushlight.autograd.grad(value.sum(), apart)
        assert rushlight.isfinite(value).all() and rushlight.isfinite(gradient).all(), kind
    with pytest.raises(ValueError, match="unknown overlap 'dice'"):
        overlap(apart, other, "dice")


def test_crowds_count_the_first_box_alone():
    one, crowd = np.array([[0, 0, 2, 2.0]]), np.array([[0, 0, 10, 10.0]])
    assert box_iou_matrix(one, crowd, [True])[0, 0] == 1
    assert box_iou_matrix(one, crowd, [False])[0, 0] == pytest.approx(0.04)


def test_training_steps_equal_pytorch():
    """Five steps of a small network with batch normalisation, decay and momentum (recorded)."""
    from rushlight.cli.detect_train.trainer import build_optimizer
    from rushlight.darknet import Darknet, parse_cfg_text

    recorded = json.loads((Path(__file__).parent / "recorded" / "train_steps.json").read_text())
    pictures, weights = train_cases.steps_inputs()
    model = Darknet(parse_cfg_text(train_cases.STEPS_CFG)).double().train()
    convolutions = [m for m in model.modules() if isinstance(m, rushlight.nn.Conv2d)]
    with rushlight.no_grad():
        for module, weight in zip(convolutions, weights):
            module.weight.copy_(rushlight.tensor(weight))
        convolutions[-1].bias.zero_()
    _, boxes, labels = train_cases.loss_inputs()
    targets = make_targets(model.heads, boxes, labels, train_cases.SIZE, [(6, 8)])
    fields = [[rushlight.tensor(field) for field in target.fields()] for target in targets]
    fields = [[f.double() if f.is_floating_point() else f for f in some] for some in fields]
    loss, optimizer = YoloLoss(model.heads), build_optimizer(model, train_cases.STEPS_LR)
    inputs, given = rushlight.tensor(pictures).double(), rushlight.tensor(boxes).double()
    for wanted in recorded["parts"]:
        optimizer.zero_grad()
        raw = model(inputs, raw=True)
        parts = loss(raw, head_targets(fields), given, train_cases.SIZE)
        parts.total.backward()
        optimizer.step()
        found = [parts.box.item(), parts.objectness.item(), parts.classes.item()]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    squares = sorted((p.detach() ** 2).sum().item() for p in model.parameters())
    np.testing.assert_allclose(squares, sorted(recorded["squares"]), rtol=1e-6)
    (norm, _) = [m for m in model.modules() if isinstance(m, rushlight.nn.BatchNorm2d)]
    np.testing.assert_allclose(norm.running_mean.numpy(), recorded["mean"], rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"scale_x_y": 1.2}, {"new_coords": True}], ids=str)
def test_boxes_of_the_loss_are_those_of_detection(options):
    from rushlight.darknet import YoloHead
    from rushlight.darknet.training.loss import _boxes

    raws, boxes, labels = train_cases.loss_inputs(options.get("new_coords", False))
    for simple, raw, grid in zip(train_cases.heads(**options), raws, train_cases.GRIDS):
        settings = {k: v for k, v in vars(simple).items() if k not in ("kind", "anchors", "mask")}
        for name in ("classes", "all_anchors"):
            settings.pop(name)
        head = YoloHead(simple.all_anchors, simple.mask, simple.classes, settings)
        found = head.decode(rushlight.tensor(raw), train_cases.SIZE)  # [B, A * H * W, 5 + C]
        sides = np.array([128, 96, 128, 96])
        (target,) = make_targets([simple], boxes, labels, train_cases.SIZE, [grid])
        rows = target.rows[target.used > 0]
        flat = rushlight.tensor(raw).reshape(2, 3, 8, *grid).permute(0, 1, 3, 4, 2).reshape(-1, 8)
        (tensors,) = head_targets([[rushlight.tensor(field) for field in target.fields()]])
        in_loss = _boxes(head, flat[tensors.rows], tensors, grid).numpy()[target.used > 0] * sides
        in_detection = found.reshape(-1, 8).numpy()[rows, :4]
        np.testing.assert_allclose(in_loss, in_detection, rtol=2e-5)
        # And a map that says the true boxes is decoded to them.
        np.testing.assert_allclose(
            (target.boxes[:, :2] * [grid[1], grid[0]] - target.cells)[target.used > 0] // 1, 0
        )
