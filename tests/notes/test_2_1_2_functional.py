"""Notes 2.1.2: every layer has a function that computes the same from explicit weights."""

import pytest

from tests.notes.subject import F, nn, torch

IMAGE, LINE, VOLUME, ROW = (2, 4, 8, 8), (2, 4, 9), (2, 4, 6, 6, 6), (3, 6)

# (layer, the same by function, input shape)
PLAIN = {
    "ReLU": (nn.ReLU(), F.relu, ROW),
    "ReLU6": (nn.ReLU6(), F.relu6, ROW),
    "LeakyReLU": (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2), ROW),
    "ELU": (nn.ELU(0.7), lambda x: F.elu(x, 0.7), ROW),
    "SELU": (nn.SELU(), F.selu, ROW),
    "CELU": (nn.CELU(0.7), lambda x: F.celu(x, 0.7), ROW),
    "GELU": (nn.GELU(), F.gelu, ROW),
    "GELU tanh": (nn.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh"), ROW),
    "SiLU": (nn.SiLU(), F.silu, ROW),
    "Mish": (nn.Mish(), F.mish, ROW),
    "Hardtanh": (nn.Hardtanh(-0.5, 0.5), lambda x: F.hardtanh(x, -0.5, 0.5), ROW),
    "Hardswish": (nn.Hardswish(), F.hardswish, ROW),
    "Hardsigmoid": (nn.Hardsigmoid(), F.hardsigmoid, ROW),
    "Hardshrink": (nn.Hardshrink(0.3), lambda x: F.hardshrink(x, 0.3), ROW),
    "Softshrink": (nn.Softshrink(0.3), lambda x: F.softshrink(x, 0.3), ROW),
    "Tanhshrink": (nn.Tanhshrink(), F.tanhshrink, ROW),
    "Softplus": (nn.Softplus(2.0), lambda x: F.softplus(x, 2.0), ROW),
    "Softsign": (nn.Softsign(), F.softsign, ROW),
    "Sigmoid": (nn.Sigmoid(), torch.sigmoid, ROW),
    "LogSigmoid": (nn.LogSigmoid(), F.logsigmoid, ROW),
    "Tanh": (nn.Tanh(), torch.tanh, ROW),
    "Threshold": (nn.Threshold(0.1, 5.0), lambda x: F.threshold(x, 0.1, 5.0), ROW),
    "GLU": (nn.GLU(1), lambda x: F.glu(x, 1), ROW),
    "Softmax": (nn.Softmax(1), lambda x: F.softmax(x, 1), ROW),
    "Softmin": (nn.Softmin(1), lambda x: F.softmin(x, 1), ROW),
    "LogSoftmax": (nn.LogSoftmax(1), lambda x: F.log_softmax(x, 1), ROW),
    "MaxPool1d": (nn.MaxPool1d(3, 2), lambda x: F.max_pool1d(x, 3, 2), LINE),
    "MaxPool2d": (nn.MaxPool2d(3, 2, 1), lambda x: F.max_pool2d(x, 3, 2, 1), IMAGE),
    "MaxPool3d": (nn.MaxPool3d(2), lambda x: F.max_pool3d(x, 2), VOLUME),
    "AvgPool1d": (nn.AvgPool1d(3), lambda x: F.avg_pool1d(x, 3), LINE),
    "AvgPool2d": (
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        IMAGE,
    ),
    "AvgPool3d": (nn.AvgPool3d(2), lambda x: F.avg_pool3d(x, 2), VOLUME),
    "LPPool2d": (nn.LPPool2d(2, 2), lambda x: F.lp_pool2d(x, 2.0, 2), IMAGE),
    "AdaptiveAvgPool2d": (
        nn.AdaptiveAvgPool2d((3, 5)),
        lambda x: F.adaptive_avg_pool2d(x, (3, 5)),
        IMAGE,
    ),
    "AdaptiveMaxPool2d": (nn.AdaptiveMaxPool2d(3), lambda x: F.adaptive_max_pool2d(x, 3), IMAGE),
    "AdaptiveAvgPool1d": (nn.AdaptiveAvgPool1d(4), lambda x: F.adaptive_avg_pool1d(x, 4), LINE),
    "ZeroPad2d": (nn.ZeroPad2d((1, 2, 0, 1)), lambda x: F.pad(x, (1, 2, 0, 1)), IMAGE),
    "ConstantPad2d": (nn.ConstantPad2d(1, 3.5), lambda x: F.pad(x, (1,) * 4, value=3.5), IMAGE),
    "ReflectionPad2d": (
        nn.ReflectionPad2d((1, 2, 3, 0)),
        lambda x: F.pad(x, (1, 2, 3, 0), "reflect"),
        IMAGE,
    ),
    "ReplicationPad1d": (
        nn.ReplicationPad1d((2, 1)),
        lambda x: F.pad(x, (2, 1), "replicate"),
        LINE,
    ),
    "CircularPad1d": (nn.CircularPad1d((2, 1)), lambda x: F.pad(x, (2, 1), "circular"), LINE),
    "Upsample nearest": (
        nn.Upsample(scale_factor=2),
        lambda x: F.interpolate(x, scale_factor=2),
        IMAGE,
    ),
    "Upsample bilinear": (
        nn.Upsample(size=(5, 11), mode="bilinear"),
        lambda x: F.interpolate(x, (5, 11), mode="bilinear"),
        IMAGE,
    ),
    "PixelShuffle": (nn.PixelShuffle(2), lambda x: F.pixel_shuffle(x, 2), IMAGE),
    "Unfold": (nn.Unfold(3, padding=1), lambda x: F.unfold(x, 3, padding=1), IMAGE),
    "Fold": (nn.Fold((4, 4), 2), lambda x: F.fold(x, (4, 4), 2), (2, 8, 9)),
    "Flatten": (nn.Flatten(), lambda x: torch.flatten(x, 1), IMAGE),
    "LocalResponseNorm": (nn.LocalResponseNorm(3), lambda x: F.local_response_norm(x, 3), IMAGE),
    "InstanceNorm2d": (nn.InstanceNorm2d(4), F.instance_norm, IMAGE),
}

# (layer with weights, the same by function from its weights, input shape)
WEIGHTED = {
    "Linear": (nn.Linear(6, 5), lambda m, x: F.linear(x, m.weight, m.bias), ROW),
    "Conv1d": (nn.Conv1d(4, 6, 3, 2), lambda m, x: F.conv1d(x, m.weight, m.bias, 2), LINE),
    "Conv2d": (
        nn.Conv2d(4, 6, 3, 2, 1, groups=2),
        lambda m, x: F.conv2d(x, m.weight, m.bias, 2, 1, groups=2),
        IMAGE,
    ),
    "Conv3d": (nn.Conv3d(4, 2, 3), lambda m, x: F.conv3d(x, m.weight, m.bias), VOLUME),
    "ConvTranspose2d": (
        nn.ConvTranspose2d(4, 3, 3, 2, 1, 1),
        lambda m, x: F.conv_transpose2d(x, m.weight, m.bias, 2, 1, 1),
        IMAGE,
    ),
    "PReLU": (nn.PReLU(4), lambda m, x: F.prelu(x, m.weight), IMAGE),
    "LayerNorm": (
        nn.LayerNorm([8, 8]),
        lambda m, x: F.layer_norm(x, [8, 8], m.weight, m.bias),
        IMAGE,
    ),
    "GroupNorm": (
        nn.GroupNorm(2, 4),
        lambda m, x: F.group_norm(x, 2, m.weight, m.bias),
        IMAGE,
    ),
    "RMSNorm": (nn.RMSNorm(6), lambda m, x: F.rms_norm(x, [6], m.weight), ROW),
    "BatchNorm2d eval": (
        nn.BatchNorm2d(4).eval(),
        lambda m, x: F.batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias),
        IMAGE,
    ),
}

LOSSES = {
    "L1Loss": (nn.L1Loss(), F.l1_loss),
    "MSELoss": (nn.MSELoss(), F.mse_loss),
    "SmoothL1Loss": (nn.SmoothL1Loss(), F.smooth_l1_loss),
    "HuberLoss": (nn.HuberLoss(), F.huber_loss),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), F.binary_cross_entropy_with_logits),
    "KLDivLoss": (
        nn.KLDivLoss(reduction="batchmean"),
        lambda x, t: F.kl_div(x, t, reduction="batchmean"),
    ),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(), F.poisson_nll_loss),
    "SoftMarginLoss": (nn.SoftMarginLoss(), F.soft_margin_loss),
}


@pytest.mark.parametrize("name", PLAIN)
def test_layer_equals_function(name):
    layer, function, shape = PLAIN[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
    by_layer, by_function = layer(x), function(x)
    assert torch.equal(by_layer, by_function)
    assert by_layer.requires_grad and not torch.equal(by_layer, torch.zeros_like(by_layer))


@pytest.mark.parametrize("name", WEIGHTED)
def test_layer_with_weights_equals_function(name):
    layer, function, shape = WEIGHTED[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    by_layer, by_function = layer(x), function(layer, x)
    assert torch.equal(by_layer, by_function)
    assert not torch.equal(by_layer, torch.zeros_like(by_layer))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_function(name):
    loss, function = LOSSES[name]
    source = torch.Generator().manual_seed(3)
    x, target = torch.randn(ROW, generator=source), torch.rand(ROW, generator=source)
    assert torch.equal(loss(x, target), function(x, target))
    assert loss(x, target).shape == ()


def test_bilinear_equals_function():
    layer, source = nn.Bilinear(3, 4, 2), torch.Generator().manual_seed(6)
    left, right = torch.randn(5, 3, generator=source), torch.randn(5, 4, generator=source)
    by_function = F.bilinear(left, right, layer.weight, layer.bias)
    assert torch.equal(layer(left, right), by_function) and by_function.shape == (5, 2)


def test_classification_losses_equal_functions():
    source = torch.Generator().manual_seed(4)
    scores, labels = torch.randn(5, 7, generator=source), torch.tensor([0, 6, 3, 2, 1])
    assert torch.equal(nn.CrossEntropyLoss()(scores, labels), F.cross_entropy(scores, labels))
    assert torch.equal(
        F.cross_entropy(scores, labels), F.nll_loss(F.log_softmax(scores, 1), labels)
    )
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum")
    by_function = F.cross_entropy(scores, labels, label_smoothing=0.1, reduction="sum")
    assert torch.equal(smooth(scores, labels), by_function)


def test_embedding_equals_function():
    table = nn.Embedding(10, 3, padding_idx=0)
    index = torch.tensor([[1, 0, 9], [4, 4, 2]])
    assert torch.equal(table(index), F.embedding(index, table.weight, padding_idx=0))
    assert table(index)[0, 1].tolist() == [0.0, 0.0, 0.0]


def test_dropout_equals_function_for_the_same_seed():
    x = torch.ones(20)
    torch.manual_seed(5)
    by_layer = nn.Dropout(0.3)(x)
    torch.manual_seed(5)
    assert torch.equal(by_layer, F.dropout(x, 0.3))
    assert torch.equal(F.dropout(x, 0.3, training=False), x)


def test_functions_leave_the_state_to_the_caller():
    """The notes: with functions only, the weight, bias and stride are the caller's to keep."""
    weight = torch.ones(1, 1, 2, 2, requires_grad=True)
    out = F.conv2d(torch.ones(1, 1, 3, 3), weight, stride=1)
    out.sum().backward()
    assert out.tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]
    assert weight.grad.tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]
