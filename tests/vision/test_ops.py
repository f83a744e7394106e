"""Boxes, suppression, region pooling, losses and blocks, by values worked out by hand."""

import math

import numpy as np
import pytest

import rushlight
from rushlight.vision import ops

A = [[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0], [10.0, 10.0, 12.0, 14.0]]


def boxes(rows=A, dtype=None):
    return rushlight.tensor(rows, dtype=dtype)


def approx(tensor, expected):
    assert np.allclose(tensor.detach().numpy(), expected, rtol=1e-5, atol=1e-6), tensor


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_overlap_of_every_pair(dtype):
    pairs = boxes(dtype=getattr(rushlight, dtype))
    approx(ops.box_area(pairs), [4, 4, 8])
    approx(ops.box_iou(pairs, pairs), [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 1]])
    # The hull of the first two is 3x3 and their union 7; of the first and third, 12x14 and 12.
    approx(ops.generalized_box_iou(pairs[:1], pairs), [[1, 1 / 7 - 2 / 9, -(168 - 12) / 168]])
    # Centres 1 and 1 apart, the hull's diagonal squared 18.
    approx(ops.distance_box_iou(pairs[:1], pairs[1:2]), [[1 / 7 - 2 / 18]])


def test_complete_iou_counts_proportions():
    square, tall = boxes(A[:1]), boxes(A[2:])
    turn = 4 / math.pi**2 * (math.atan(1) - math.atan(0.5)) ** 2
    distance = (10**2 + 11**2) / (12**2 + 14**2)
    approx(ops.complete_box_iou(square, tall), [[-distance - turn * turn / (1 + turn)]])
    approx(ops.complete_box_iou_loss(square, tall), [1 + distance + turn * turn / (1 + turn)])


def test_conversions_and_clipping():
    pairs = boxes()
    approx(ops.box_convert(pairs, "xyxy", "cxcywh"), [[1, 1, 2, 2], [2, 2, 2, 2], [11, 12, 2, 4]])
    approx(ops.box_convert(pairs, "xyxy", "xywh")[2], [10, 10, 2, 4])
    for way in ("xywh", "cxcywh", "xyxy"):
        approx(ops.box_convert(ops.box_convert(pairs, "xyxy", way), way, "xyxy"), A)
        approx(
            ops.box_convert(ops.box_convert(pairs, "xyxy", "xywh"), "xywh", way),
            ops.box_convert(pairs, "xyxy", way).numpy(),
        )
    with pytest.raises(ValueError, match="Unsupported Bounding Box Conversions"):
        ops.box_convert(pairs, "xyxy", "yxyx")
    approx(ops.clip_boxes_to_image(pairs, (11, 2)), [[0, 0, 2, 2], [1, 1, 2, 3], [2, 10, 2, 11]])
    assert ops.remove_small_boxes(pairs, 2.5).tolist() == []
    assert ops.remove_small_boxes(pairs, 2.0).tolist() == [0, 1, 2]


def plain_nms(corners, scores, threshold):
    """The definition, box by box."""
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        fits = True
        for j in kept:
            w = min(corners[i][2], corners[j][2]) - max(corners[i][0], corners[j][0])
            h = min(corners[i][3], corners[j][3]) - max(corners[i][1], corners[j][1])
            overlap = max(w, 0) * max(h, 0)
            areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (corners[i], corners[j]))
            fits = fits and overlap / (areas - overlap) <= threshold
        if fits:
            kept.append(i)
    return kept


def test_suppression():
    generator = np.random.default_rng(0)
    corners = generator.random((60, 4)) * 10
    corners[:, 2:] += corners[:, :2]
    scores = generator.random(60)
    for threshold in (0.1, 0.3, 0.7):
        got = ops.nms(rushlight.tensor(corners), rushlight.tensor(scores), threshold)
        assert got.dtype == rushlight.int64
        assert got.tolist() == plain_nms(corners.tolist(), scores.tolist(), threshold)
    classes = generator.integers(0, 3, 60)
    got = ops.batched_nms(
        rushlight.tensor(corners), rushlight.tensor(scores), rushlight.tensor(classes), 0.3
    ).tolist()
    expected = []
    for number in range(3):
        rows = np.nonzero(classes == number)[0]
        kept = plain_nms(corners[rows].tolist(), scores[rows].tolist(), 0.3)
        expected += rows[kept].tolist()
    assert got == sorted(expected, key=lambda i: -scores[i])
    empty = rushlight.zeros(0, 4), rushlight.zeros(0)
    assert ops.nms(*empty, 0.5).shape == (0,)
    assert ops.batched_nms(*empty, rushlight.zeros(0), 0.5).dtype == rushlight.int64


def test_suppression_of_equal_scores_keeps_the_first():
    assert ops.nms(boxes([A[0], A[0]]), rushlight.tensor([0.5, 0.5]), 0.5).tolist() == [0]


@pytest.mark.parametrize(
    "shapes, why",
    [(((4,), (1,)), "2d tensor, got 1D"), (((1, 5), (1,)), "4 elements in dimension 1, got 5"),
     (((1, 4), (1, 1)), "1d tensor, got 2D"), (((2, 4), (1,)), "got 2 and 1")],
)  # fmt: skip
def test_suppression_checks_shapes(shapes, why):
    with pytest.raises(RuntimeError, match=why):
        ops.nms(rushlight.zeros(shapes[0]), rushlight.zeros(shapes[1]), 0.5)


def test_boxes_around_masks():
    masks = rushlight.zeros(2, 5, 6)
    masks[0, 1:4, 2] = 1
    masks[0, 2, 5] = 1
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 5, 3], [0, 0, 0, 0]]


def test_region_pooling_of_a_plane():
    # Of a linear function, bilinear averages are its values at the bins' middles.
    y, x = np.mgrid[0:8, 0:10].astype(np.float32)
    plane = rushlight.from_numpy((3 * y + x)[None, None])
    region = rushlight.tensor([[0.0, 1.0, 2.0, 5.0, 6.0]])
    for ratio in (-1, 1, 2):
        pooled = ops.roi_align(plane, region, (2, 4), 1.0, ratio)
        middles = [[3 * cy + cx for cx in (1.5, 2.5, 3.5, 4.5)] for cy in (3.0, 5.0)]
        approx(pooled[0, 0], middles)
    shifted = ops.roi_align(plane, [region[:, 1:]], 2, 1.0, 2, aligned=True)
    approx(shifted[0, 0], [[3 * 2.5 + 1.5, 3 * 2.5 + 3.5], [3 * 4.5 + 1.5, 3 * 4.5 + 3.5]])
    # Whole pixels 1..5 and 2..6, in two bins each that share the middle one.
    approx(ops.roi_pool(plane, region, 2)[0, 0], [[15, 17], [21, 23]])
    assert ops.roi_align(plane, rushlight.zeros(0, 5), 3).shape == (0, 1, 3, 3)


def test_region_pooling_outside_and_gradient():
    plane = rushlight.ones(1, 2, 6, 6, requires_grad=True)
    outside = rushlight.tensor([[0.0, 20.0, 20.0, 24.0, 24.0]])
    assert float(ops.roi_align(plane, outside, 2).detach().abs().sum()) == 0.0
    inside = rushlight.tensor([[0.0, 1.0, 1.0, 4.0, 4.0]])
    ops.roi_align(plane, inside, 3, 1.0, 2).sum().backward()
    # Each of two channels has nine averages; each average's weights sum to one.
    assert abs(plane.grad.sum().item() - 18) < 1e-4
    with pytest.raises(ValueError, match=r"Tensor\[K, 5\]"):
        ops.roi_align(plane, rushlight.zeros(1, 4), 2)
    with pytest.raises(ValueError, match="List"):
        ops.roi_pool(plane, [rushlight.zeros(1, 5)], 2)


def test_losses():
    same = boxes()
    for loss in (
        ops.generalized_box_iou_loss,
        ops.distance_box_iou_loss,
        ops.complete_box_iou_loss,
    ):
        approx(loss(same, same), [0, 0, 0])
        assert loss(same, same, reduction="mean").shape == ()
        with pytest.raises(ValueError, match="Invalid Value for arg 'reduction'"):
            loss(same, same, reduction="median")
    approx(ops.generalized_box_iou_loss(same[:1], same[1:2], "sum"), 1 - (1 / 7 - 2 / 9))
    logits, targets = rushlight.tensor([0.0, 2.0]), rushlight.tensor([1.0, 0.0])
    p = 1 / (1 + math.exp(-2))
    expected = [0.25 * 0.5**2 * math.log(2), 0.75 * p**2 * -math.log(1 - p)]
    approx(ops.sigmoid_focal_loss(logits, targets), expected)
    approx(ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0)[0], math.log(2))
    with pytest.raises(ValueError, match="Invalid alpha value"):
        ops.sigmoid_focal_loss(logits, targets, alpha=2)


def test_stochastic_depth():
    rushlight.manual_seed(0)
    ones = rushlight.ones(1000, 2)
    rows = ops.stochastic_depth(ones, 0.25, "row")
    assert sorted(rows.unique().tolist()) == pytest.approx([0.0, 4 / 3])
    assert rushlight.equal(rows[:, 0], rows[:, 1])
    assert 0.7 < float((rows[:, 0] != 0).float().mean()) < 0.8
    assert len(ops.stochastic_depth(ones, 0.5, "batch").unique()) == 1
    layer = ops.StochasticDepth(0.5, "row").eval()
    assert layer(ones) is ones and repr(layer) == "StochasticDepth(p=0.5, mode=row)"
    with pytest.raises(ValueError, match="mode has to be"):
        ops.stochastic_depth(ones, 0.5, "column")


def test_drop_block():
    rushlight.manual_seed(0)
    result = ops.drop_block2d(rushlight.ones(4, 8, 20, 20), 0.2, 3)
    dropped = float((result == 0).float().mean())
    assert 0.12 < dropped < 0.25 and abs(float(result.mean()) - 1) < 1e-3
    assert ops.DropBlock2d(0.5, 3).eval()(result) is result
    with pytest.raises(ValueError, match="4 dimensional"):
        ops.drop_block2d(rushlight.ones(3, 3), 0.2, 3)


def test_blocks():
    block = ops.Conv2dNormActivation(3, 8, (3, 5), stride=2)
    assert block(rushlight.zeros(2, 3, 8, 8)).shape == (2, 8, 4, 4) and block.out_channels == 8
    assert [type(layer).__name__ for layer in block] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert block[0].bias is None and block[0].padding == (1, 2)
    plain = ops.Conv2dNormActivation(3, 8, norm_layer=None, activation_layer=None)
    assert len(plain) == 1 and plain[0].bias is not None
    squeeze = ops.SqueezeExcitation(4, 2)
    assert squeeze(rushlight.ones(1, 4, 3, 3)).shape == (1, 4, 3, 3)
    assert list(squeeze.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    mlp = ops.MLP(3, [5, 2], dropout=0.1)
    assert mlp(rushlight.zeros(4, 3)).shape == (4, 2) and len(mlp) == 5
    assert ops.Permute([1, 0])(rushlight.zeros(2, 3)).shape == (3, 2)


def test_frozen_batch_norm_is_batch_norm_that_does_not_learn():
    from rushlight import nn

    rushlight.manual_seed(0)
    trained = nn.BatchNorm2d(3)
    trained(rushlight.randn(4, 3, 5, 5))
    frozen = ops.FrozenBatchNorm2d(3)
    frozen.load_state_dict(trained.state_dict())
    image = rushlight.randn(2, 3, 4, 4)
    approx(frozen(image), trained.eval()(image).detach().numpy())
    assert list(frozen.parameters()) == []


def test_names_that_are_missing_say_so():
    with pytest.raises(NotImplementedError, match="ops.deform_conv2d"):
        ops.deform_conv2d  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'box_iou'"):
        ops.boxiou  # noqa: B018
