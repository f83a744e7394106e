"""Dropout layers: what is zeroed, what it is scaled by, and that evaluation leaves it alone.

That the masks are PyTorch's is tested in cases_layers.py; here is what they mean.
"""

import pytest

import rushlight as torch
from rushlight import nn

LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
          nn.FeatureAlphaDropout)
SHAPES = {nn.Dropout1d: (40, 50, 3), nn.Dropout2d: (40, 50, 3, 2), nn.Dropout3d: (40, 50, 3, 2, 2)}


def ones(layer):
    return torch.ones(SHAPES.get(layer, (40, 50, 3)))


@pytest.mark.parametrize("layer", LAYERS)
def test_evaluation_is_the_identity(layer):
    x = torch.randn(4, 3, 5, 2, 2)[..., 0, 0] if layer is nn.Dropout1d else torch.randn(4, 3, 5, 2)
    assert torch.equal(layer(0.5).eval()(x), x)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_zeroes_a_fraction_and_scales_the_rest(p):
    torch.manual_seed(0)
    y = nn.Dropout(p)(torch.ones(100, 100))
    kept = y != 0
    assert abs(kept.float().mean().item() - (1 - p)) < 0.02
    assert torch.allclose(y[kept], torch.full_like(y[kept], 1 / (1 - p)))


@pytest.mark.parametrize("layer", [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
def test_channel_dropout_zeroes_whole_channels(layer):
    torch.manual_seed(0)
    y = layer(0.4)(ones(layer)).flatten(2)
    assert torch.equal(y.amax(2), y.amin(2))
    assert abs((y[:, :, 0] == 0).float().mean().item() - 0.4) < 0.05


@pytest.mark.parametrize("layer", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_alpha_dropout_keeps_mean_and_variance(layer):
    torch.manual_seed(0)
    y = layer(0.2)(torch.randn(300, 300, 4))
    assert abs(y.mean().item()) < 0.05
    assert abs(y.std().item() - 1) < 0.05


def test_the_gradient_has_the_mask_of_the_output():
    torch.manual_seed(0)
    x = torch.ones(50, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_the_ends_of_the_range():
    x = torch.randn(5, 5)
    assert torch.equal(nn.Dropout(0.0)(x), x)
    assert torch.equal(nn.Dropout(1.0)(x), torch.zeros(5, 5))


def test_inplace_overwrites_the_input():
    x = torch.ones(100)
    y = nn.Dropout(0.5, inplace=True)(x)
    assert y is x and (x == 0).any()


def test_the_same_seed_gives_the_same_mask():
    layer = nn.Dropout(0.5)
    torch.manual_seed(3)
    first = layer(torch.ones(100))
    assert not torch.equal(first, layer(torch.ones(100)))
    torch.manual_seed(3)
    assert torch.equal(first, layer(torch.ones(100)))


def test_dropout_between_recurrent_layers_only_in_training():
    layer = nn.LSTM(4, 5, num_layers=2, dropout=0.5)
    x = torch.randn(3, 2, 4)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
