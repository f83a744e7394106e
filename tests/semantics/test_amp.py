"""autocast's dtypes, casts and regions; the gradient scaler's iterations."""

import pickle
import warnings

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

BF16, F32 = torch.bfloat16, torch.float32


def data():
    generator = np.random.default_rng(0)

    def make(*shape):
        return torch.tensor(generator.standard_normal(shape), dtype=F32)
    return make(2, 3), make(4, 3), make(1, 2, 5, 5), make(3, 2, 3, 3), make(4)


X, W, IMAGE, KERNEL, BIAS = data()
LOW = X.bfloat16()
LABELS = torch.tensor([0, 1])
# What PyTorch 2.13 returns inside torch.autocast("cpu").
RESULTS = {
    BF16: {
        "mm": lambda: X @ W.t(), "linear": lambda: F.linear(X, W, BIAS),
        "conv2d": lambda: F.conv2d(IMAGE, KERNEL),
        "conv_transpose2d": lambda: F.conv_transpose2d(IMAGE, KERNEL.transpose(0, 1)),
        "bmm": lambda: torch.bmm(X[None], W.t()[None]),
        "addmm": lambda: torch.addmm(BIAS, X, W.t()),
        "baddbmm": lambda: torch.baddbmm(BIAS, X[None], W.t()[None]),
        "einsum": lambda: torch.einsum("ij,kj->ik", X, W),
        "vector matmul": lambda: X[0] @ W[0],
        "attention": lambda: F.scaled_dot_product_attention(X[None], X[None], X[None]),
        "softmax of bfloat16": lambda: LOW.softmax(-1),
        "layer_norm of bfloat16": lambda: F.layer_norm(LOW, (3,)),
        "exp of bfloat16": lambda: LOW.exp(), "sum of bfloat16": lambda: LOW.sum(),
        "gelu of bfloat16": lambda: F.gelu(LOW), "pow of bfloat16": lambda: LOW ** 2,
    },
    F32: {
        "add": lambda: X + X, "mv": lambda: torch.mv(X, W[0]), "dot": lambda: torch.dot(X[0], X[1]),
        "outer": lambda: torch.outer(BIAS, BIAS),
        "embedding": lambda: F.embedding(LABELS, W),
        "mse_loss": lambda: F.mse_loss(LOW, LOW), "l1_loss": lambda: F.l1_loss(LOW, LOW),
        "smooth_l1_loss": lambda: F.smooth_l1_loss(LOW, LOW),
        "nll_loss": lambda: F.nll_loss(LOW.log_softmax(1), LABELS),
        "cross_entropy": lambda: F.cross_entropy(LOW, LABELS),
        "binary_cross_entropy_with_logits":
            lambda: F.binary_cross_entropy_with_logits(LOW, X.sigmoid()),
        "kl_div": lambda: F.kl_div(LOW, LOW), "prod": lambda: LOW.prod(),
        "trace": lambda: LOW[:2, :2].trace(),
        "cat of both": lambda: torch.cat([LOW, X]), "stack of both": lambda: torch.stack([LOW, X]),
        "bilinear": lambda: F.bilinear(X, X, torch.ones(2, 3, 3)),
    },
    torch.float64: {"double": lambda: X.double() @ W.t().double()},
    torch.int64: {"integers": lambda: torch.ones(2, 2).long() @ torch.ones(2, 2).long()},
}
CASES = [(name, dtype, f) for dtype, group in RESULTS.items() for name, f in group.items()]


@pytest.mark.parametrize("name, dtype, function", CASES, ids=[case[0] for case in CASES])
def test_dtypes(name, dtype, function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autocast("cpu"):
            assert function().dtype is dtype


def test_float16_by_request():
    with torch.autocast("cpu", dtype=torch.float16):
        assert (X @ W.t()).dtype is torch.float16
        assert F.mse_loss(X.half(), X.half()).dtype is F32


def test_regions():
    with torch.autocast("cpu") as region:
        assert isinstance(region, torch.autocast)
        assert torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled()
        with torch.autocast("cpu", enabled=False):
            assert not torch.is_autocast_enabled("cpu")
            assert (X @ W.t()).dtype is F32
        with torch.autocast("cpu", dtype=torch.float16):
            assert torch.get_autocast_dtype("cpu") is torch.float16
        assert torch.get_autocast_dtype("cpu") is BF16
        assert (X @ W.t()).dtype is BF16
    assert not torch.is_autocast_enabled("cpu")
    assert (X @ W.t()).dtype is F32

    with pytest.raises(ZeroDivisionError):
        with torch.autocast("cpu"):
            raise ZeroDivisionError
    assert not torch.is_autocast_enabled("cpu")


def test_decorator():
    @torch.autocast("cpu")
    def product(a, b):
        return a @ b

    assert product(X, W.t()).dtype is BF16 and product.__name__ == "product"
    with pytest.raises(TypeError, match="requires a callable, but got int"):
        torch.autocast("cpu")(3)


def test_training_step():
    """Parameters and gradients stay float32; a parameter used twice is cast once."""
    w = W[:3].clone().requires_grad_()
    with torch.autocast("cpu"):
        hidden = X @ w
        out = hidden @ w
        loss = out.float().sum()
    assert hidden.grad_fn.edges[1] is not None
    casts = {id(node) for node in (hidden.grad_fn.edges[1], out.grad_fn.edges[1])}
    assert len(casts) == 1
    loss.backward()
    assert w.grad.dtype is F32
    exact = X @ W[:3]
    expected = (X.t() @ (torch.ones(2, 3) @ W[:3].t())) + exact.t() @ torch.ones(2, 3)
    np.testing.assert_allclose(w.grad.numpy(), expected.numpy(), rtol=0.05, atol=0.1)


def test_a_parameter_changed_inside_the_region_is_cast_again():
    w = torch.ones(3, 1, requires_grad=True)
    with torch.autocast("cpu"):
        before = X @ w
        with torch.no_grad():
            w.zero_()
        after = X @ w
    assert before.abs().sum().item() > 0
    assert after.abs().sum().item() == 0


def test_modules():
    from rushlight import nn
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
                        nn.Linear(27, 2))
    with torch.autocast("cpu"):
        out = net(IMAGE)
        loss = F.cross_entropy(out, torch.tensor([1]))
    assert out.dtype is BF16 and loss.dtype is F32
    loss.backward()
    assert all(p.dtype is F32 and p.grad.dtype is F32 for p in net.parameters())


def test_out_is_not_cast():
    out = torch.zeros(2, 4)
    with torch.autocast("cpu"):
        assert torch.mm(X, W.t(), out=out).dtype is F32


def test_custom_functions():
    seen = []

    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=F32)
        def forward(ctx, a, b):
            seen.append(("forward", a.dtype, torch.is_autocast_enabled("cpu")))
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            seen.append(("backward", g.dtype, torch.is_autocast_enabled("cpu")))
            return g @ b.t(), a.t() @ g

    with torch.autocast("cpu"):
        y = Product.apply(LOW.detach().requires_grad_(), W.t())
        y.sum().backward()
    assert seen == [("forward", F32, False), ("backward", F32, False)]


def test_warnings_and_errors():
    with pytest.warns(UserWarning, match="CUDA is not available or torch_xla is imported"):
        region = torch.autocast("cuda")
    with region:
        assert not torch.is_autocast_enabled("cuda")
    with pytest.warns(UserWarning, match="In CPU autocast, but the target dtype is not supported"):
        region = torch.autocast("cpu", dtype=torch.float64)
    with region:
        assert (X @ W.t()).dtype is F32
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`, got: "
                                         "`<class 'int'>`"):
        torch.autocast(3)
    with pytest.raises(RuntimeError, match="device type at start of device string: x"):
        torch.autocast("x")
    with pytest.warns(FutureWarning, match=r"`torch.cpu.amp.autocast\(args...\)` is deprecated"):
        torch.cpu.amp.autocast()
    with pytest.warns(FutureWarning, match=r"`torch.cuda.amp.GradScaler\(args...\)`"):
        assert not torch.cuda.amp.GradScaler().is_enabled()


# -- GradScaler ------------------------------------------------------------------------------------

def start(**options):
    p = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    return p, optimizer, torch.amp.GradScaler("cpu", **options)


def test_iterations():
    p, optimizer, scaler = start(init_scale=4.0, growth_interval=2)
    seen = []
    for factor in (1, 1, float("inf"), 1, float("nan"), 1):
        optimizer.zero_grad()
        scaler.scale((p * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append((p.tolist()[0], scaler.get_scale(), scaler._get_growth_tracker()))
    # As PyTorch does: good steps move by 1 and count; bad ones are skipped and halve the scale.
    assert seen == [(0.0, 4.0, 1), (-1.0, 8.0, 0), (-1.0, 4.0, 0), (-2.0, 4.0, 1), (-2.0, 2.0, 0),
                    (-3.0, 2.0, 1)]


def test_unscaled_gradients_may_be_looked_at():
    p, optimizer, scaler = start(init_scale=1024.0)
    scaler.scale((p * 3).sum()).backward()
    assert p.grad.tolist() == [3072, 3072]
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert p.tolist() == [-2, -2]
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step\(\)"):
        scaler.unscale_(optimizer)
    scaler.update()


def test_scaling_collections():
    _, _, scaler = start(init_scale=2.0)
    one, (two,) = scaler.scale([torch.ones(1), (torch.ones(1),)])
    assert one.item() == two.item() == 2.0
    with pytest.raises(ValueError, match="outputs must be a Tensor or an iterable of Tensors"):
        scaler.scale(3)


def test_scaler_errors():
    p, optimizer, scaler = start()
    for act, what in ((lambda: scaler.step(optimizer), "step"), (scaler.update, "update")):
        with pytest.raises(AssertionError, match=f"Attempted {what} but _scale is None."):
            act()
    scaler.scale(torch.ones(1))
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer."):
        scaler.step(optimizer)
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update."):
        scaler.update()
    with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
        scaler.step(optimizer, closure=lambda: 1)
    half = torch.ones(2, dtype=torch.float16, requires_grad=True)
    half.grad = torch.ones(2, dtype=torch.float16)
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients."):
        scaler.unscale_(torch.optim.SGD([half]))
    with pytest.raises(AssertionError, match="The growth factor must be > 1.0."):
        start(growth_factor=1.0)


def test_scaler_state():
    p, optimizer, scaler = start(init_scale=4.0, growth_interval=3)
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled at the beginning"):
        pickle.dumps(scaler)
    scaler.update()
    saved = scaler.state_dict()
    assert saved == {"scale": 4.0, "growth_factor": 2.0, "backoff_factor": 0.5,
                     "growth_interval": 3, "_growth_tracker": 1}
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(saved)
    assert other.state_dict() == saved == pickle.loads(pickle.dumps(scaler)).state_dict()
    scaler.update(16.0)
    assert scaler.get_scale() == 16.0
    with pytest.raises(RuntimeError, match="The source state dict is empty"):
        other.load_state_dict({})


def test_disabled_scaler_only_steps():
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available"):
        scaler = torch.amp.GradScaler()
    p = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    loss = p.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0, 0]
    assert scaler.state_dict() == {} and scaler.get_scale() == 1.0
