"""The ops of layers: first and second derivatives, memory order, statistics, errors.

Values are checked against PyTorch's recorded results by the law tests, and the kernels against
their definitions in test_kernels_*.
"""

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck

F = torch.nn.functional


def tensor(*shape, seed=0):
    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


TARGET = torch.tensor([1, 0, 2, 2])
WEIGHT = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64)
RUNNING = torch.tensor([0.1, -0.2], dtype=torch.float64), torch.tensor([0.5, 2.0]).double()
INDEX = torch.tensor([[1, 2, 2], [0, 3, 1]])

# name: (function, shapes of its differentiable arguments)
SMOOTH = {
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2), [(2, 2, 7), (3, 2, 2), (3,)]),
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 0), (1, 2), 2),
        [(2, 4, 4, 5), (2, 2, 2, 2), (2,)],
    ),
    "conv2d same": (
        lambda x, w: F.conv2d(x, w, padding="same", dilation=(1, 3)), [(1, 1, 4, 4), (2, 1, 2, 2)],
    ),
    "conv3d": (lambda x, w: F.conv3d(x, w, padding=1), [(1, 1, 2, 3, 2), (1, 1, 2, 2, 2)]),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 1), (1, 0), (1, 0), 2, (1, 2)),
        [(1, 4, 3, 2), (4, 1, 2, 2), (2,)],
    ),
    "conv_transpose1d, output padding of a stride": (
        lambda x, w: F.conv_transpose1d(x, w, None, 1, 0, 1, 1, 2), [(1, 2, 3), (2, 1, 2)],
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, 1, 1), [(1, 2, 3, 3)]),
    "max_pool1d apart": (lambda x: F.max_pool1d(x, 2), [(2, 1, 6)]),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2, 1), [(1, 1, 2, 3, 3)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, 2, 1, True, False), [(1, 2, 3, 4)]),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 3)), [(1, 1, 3, 4)]),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (2, 3)), [(1, 1, 3, 4)]),
    "max_unpool2d": (
        lambda x: F.max_unpool2d(x, torch.tensor([[[[3, 6], [8, 11]]]]), 2, output_size=(3, 4)),
        [(1, 1, 2, 2)],
    ),
    "reflect": (lambda x: F.pad(x, (1, 2, 0, 1), "reflect"), [(1, 1, 3, 3)]),
    "replicate": (lambda x: F.pad(x, (1, -1, 0, 2), "replicate"), [(1, 1, 3, 3)]),
    "circular": (lambda x: F.pad(x, (1, 2), "circular"), [(1, 2, 3)]),
    "constant": (lambda x: F.pad(x, (1, -1, 2, 0), value=3.0), [(2, 3)]),
    "unfold": (lambda x: F.unfold(x, 2, 1, 1, 2), [(1, 2, 3, 3)]),
    "fold": (lambda x: F.fold(x, (3, 4), 2), [(1, 4, 6)]),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), [(1, 4, 1, 2)]),
    "bicubic": (lambda x: F.interpolate(x, (5, 2), mode="bicubic"), [(1, 1, 3, 3)]),
    "bilinear, antialias": (
        lambda x: F.interpolate(x, (2, 5), mode="bilinear", antialias=True), [(1, 1, 4, 3)],
    ),
    "trilinear": (
        lambda x: F.interpolate(x, scale_factor=1.6, mode="trilinear"), [(1, 1, 2, 2, 2)],
    ),
    "nearest": (lambda x: F.interpolate(x, 5), [(1, 2, 3)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (3, 2), w, b), [(2, 3, 2), (3, 2), (3, 2)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 2), (4,), (4,)]),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [(3, 2, 2), (2,), (2,)],
    ),
    "batch_norm, evaluation": (
        lambda x, w, b: F.batch_norm(x, *RUNNING, w, b), [(3, 2, 2), (2,), (2,)],
    ),
    "instance_norm": (lambda x: F.instance_norm(x), [(2, 2, 3)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w), [(2, 4), (4,)]),
    "softmax": (lambda x: torch.softmax(x, 1), [(2, 3)]),
    "log_softmax": (lambda x: torch.log_softmax(x, 0), [(3, 2)]),
    "nll_loss": (lambda x: F.nll_loss(x, TARGET, WEIGHT, ignore_index=0), [(4, 3)]),
    "nll_loss, none": (lambda x: F.nll_loss(x, TARGET, reduction="none"), [(4, 3)]),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, TARGET, WEIGHT, ignore_index=0, label_smoothing=0.1), [(4, 3)],
    ),
    "cross_entropy, probabilities": (lambda x, y: F.cross_entropy(x, y.exp()), [(2, 3), (2, 3)]),
    "embedding": (lambda w: F.embedding(INDEX, w), [(4, 3)]),
    "cdist": (lambda a, b: torch.cdist(a, b), [(2, 3), (2, 3)]),
    "cdist, p=1.5": (lambda a, b: torch.cdist(a, b, 1.5), [(2, 3), (2, 3)]),
}  # fmt: skip

CHANGED = {  # these gradients are not the derivative, on purpose
    "embedding, padding": (lambda w: F.embedding(INDEX, w, 2), [(4, 3)]),
    "embedding, by frequency": (
        lambda w: F.embedding(INDEX, w, scale_grad_by_freq=True), [(4, 2)],
    ),
}  # fmt: skip

ONCE = {  # PyTorch has no second derivative of these either
    "grid_sample": (
        lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False), [(1, 2, 3, 3), (1, 2, 2, 2)],
    ),
    "pdist": (lambda x: F.pdist(x), [(3, 2)]),
    "ctc_loss": (
        lambda x: F.ctc_loss(x.log_softmax(2), torch.tensor([[1, 2], [2, 2]]), [4, 4], [2, 1]),
        [(4, 2, 3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*SMOOTH, *ONCE])
def test_first_derivative(name):
    function, shapes = {**SMOOTH, **ONCE}[name]
    assert gradcheck(function, [tensor(*s, seed=i) for i, s in enumerate(shapes)])


@pytest.mark.parametrize("name", [*SMOOTH, *CHANGED])
def test_second_derivative(name):
    function, shapes = {**SMOOTH, **CHANGED}[name]
    assert gradgradcheck(function, [tensor(*s, seed=i) for i, s in enumerate(shapes)])


@pytest.mark.parametrize("name", ["grid_sample", "pdist"])
def test_no_second_derivative_says_so(name):
    function, shapes = ONCE[name]
    inputs = [tensor(*s, seed=i) for i, s in enumerate(shapes)]
    first = torch.autograd.grad(function(*inputs).sum(), inputs[-1], create_graph=True)[0]
    with pytest.raises(RuntimeError, match="derivative for aten::.*_backward is not implemented"):
        first.sum().backward()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.conv2d(x, torch.ones(2, 3, 2, 2)),
        lambda x: F.interpolate(x, scale_factor=2),
    ],
)
def test_channels_last_is_kept(function):
    x = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).float()
    y = function(x.contiguous(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous()
    assert torch.equal(y, function(x))


def test_running_statistics():
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    mean, var = torch.zeros(2), torch.ones(2)
    F.batch_norm(x, mean, var, training=True, momentum=0.1)
    assert torch.allclose(mean, torch.tensor([0.2, 0.4]))
    assert torch.allclose(var, torch.tensor([0.9 + 0.1 * 2, 0.9 + 0.1 * 8]))  # unbiased
    before = mean.clone()
    F.batch_norm(x, mean, var, training=False)
    assert torch.equal(mean, before)


def test_max_pool_sends_the_gradient_of_ties_to_the_first():
    x = torch.zeros(1, 1, 2, 4, requires_grad=True)
    y, index = F.max_pool2d(x, 2, return_indices=True)
    y.sum().backward()
    assert index.tolist() == [[[[0, 2]]]]
    assert x.grad.tolist() == [[[[1, 0, 1, 0], [0, 0, 0, 0]]]]


def test_embedding_padding_and_frequency():
    table = torch.ones(4, 1, requires_grad=True)
    F.embedding(INDEX, table, padding_idx=2).sum().backward()
    assert table.grad.flatten().tolist() == [1, 2, 0, 1]
    table.grad = None
    F.embedding(INDEX, table, scale_grad_by_freq=True).sum().backward()
    assert table.grad.flatten().tolist() == [1, 1, 1, 1]


def test_embedding_max_norm_scales_the_table():
    table = torch.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    made = F.embedding(torch.tensor([0, 1]), table, max_norm=1.0)
    assert torch.allclose(made, torch.tensor([[0.6, 0.8], [0.3, 0.4]]), atol=1e-5)
    assert torch.equal(table[2], torch.tensor([6.0, 8.0]))


X4 = torch.ones(1, 3, 8, 8)
ERRORS = [
    (lambda: F.conv2d(X4, torch.ones(2, 4, 3, 3)), RuntimeError,
     "Given groups=1, weight of size [2, 4, 3, 3], expected input[1, 3, 8, 8] to have 4 channels, "
     "but got 3 channels instead"),
    (lambda: F.conv2d(X4, torch.ones(2, 3, 9, 9)), RuntimeError,
     "Calculated padded input size per channel: (8 x 8). Kernel size: (9 x 9). Kernel size can't "
     "be greater than actual input size"),
    (lambda: F.conv2d(X4.double(), torch.ones(2, 3, 3, 3)), RuntimeError,
     "expected scalar type Double but found Float"),
    (lambda: F.conv2d(torch.ones(8, 8), torch.ones(2, 3, 3, 3)), RuntimeError,
     "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [8, 8]"),
    (lambda: F.conv2d(X4, torch.ones(2, 3, 3, 3), stride=2, padding="same"), RuntimeError,
     "padding='same' is not supported for strided convolutions"),
    (lambda: F.max_pool2d(X4, 2, padding=2), RuntimeError,
     "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and "
     "dilation=1"),
    (lambda: F.max_pool2d(torch.ones(1, 1, 4), 5), RuntimeError, "Output size is too small"),
    (lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([1, 5])), IndexError,
     "Target 5 is out of bounds."),
    (lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([1, 2, 0])), ValueError,
     "Expected input batch_size (2) to match target batch_size (3)."),
    (lambda: F.embedding(torch.tensor([4]), torch.ones(4, 2)), IndexError,
     "index out of range in self"),
    (lambda: F.batch_norm(torch.ones(1, 3), None, None, training=True), ValueError,
     "Expected more than 1 value per channel when training, got input size torch.Size([1, 3])"),
    (lambda: F.layer_norm(torch.ones(2, 3), (4,)), RuntimeError,
     "Given normalized_shape=[4], expected input with shape [*, 4], but got input of size[2, 3]"),
    (lambda: F.pad(torch.ones(1, 1, 3), (3, 0), "reflect"), RuntimeError,
     "Padding size should be less than the corresponding input dimension"),
    (lambda: F.interpolate(X4, 2, mode="linear"), NotImplementedError,
     "Got 4D input, but linear mode needs 3D input"),
    (lambda: torch.softmax(torch.ones(2, dtype=torch.int64), 0), NotImplementedError,
     "\"softmax_kernel_impl\" not implemented for 'Long'"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, text", ERRORS, ids=[text[:40] for _, _, text in ERRORS])
def test_errors_are_pytorchs(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_a_bad_class_is_found_where_the_values_become_known():
    scores, target = torch.zeros(2, 3), torch.tensor([1, 2]) + 1  # pending: not in memory yet
    loss = F.cross_entropy(scores, target)
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        loss.item()
