"""What every optimizer shares: groups, hooks, saving, modes, memory; and PyTorch's error texts."""

import copy
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

POINTWISE = ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop",
             "Rprop", "ASGD"]


def parameter(*shape, dtype=torch.float32, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(values).to(dtype).requires_grad_()


def with_gradient(p, seed=1):
    values = np.random.default_rng(seed).standard_normal(tuple(p.shape))
    if p.is_complex():
        values = values + 1j * np.random.default_rng(seed + 1).standard_normal(tuple(p.shape))
    p.grad = torch.tensor(values).to(p.dtype)
    return p


def make(name, params, **options):
    return getattr(torch.optim, name)(params, **options)


# -- printed text and saved state ------------------------------------------------------------------

def test_printed_text():
    groups = [{"params": [parameter(2)]}, {"params": [parameter(1)], "lr": 3}]
    assert repr(torch.optim.SGD(groups, lr=0.5)) == """SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.5
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0

Parameter Group 1
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 3
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
)"""


def test_state_dict_form():
    optimizer = torch.optim.Adam([("w", with_gradient(parameter(2, 3))), ("b", parameter(3))])
    optimizer.step()
    saved = optimizer.state_dict()
    assert list(saved) == ["state", "param_groups"]
    assert list(saved["state"]) == [0]
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert saved["state"][0]["step"].item() == 1.0
    assert saved["state"][0]["step"].dtype is torch.float32
    assert saved["param_groups"][0]["params"] == [0, 1]
    assert saved["param_groups"][0]["param_names"] == ["w", "b"]


def test_loading_casts_state_but_not_step_counts():
    wide = torch.optim.Adam([with_gradient(parameter(3, dtype=torch.float64))])
    wide.step()
    p = parameter(3, dtype=torch.bfloat16)
    narrow = torch.optim.Adam([p])
    narrow.load_state_dict(wide.state_dict())
    assert narrow.state[p]["exp_avg"].dtype is torch.bfloat16
    assert narrow.state[p]["step"].dtype is torch.float32


def test_loading_state_of_an_old_version():
    """Options that did not exist then get their defaults, and step counts become tensors."""
    p = parameter(2)
    optimizer = torch.optim.Adam([p])
    optimizer.load_state_dict({
        "state": {0: {"step": 3, "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}},
        "param_groups": [{"params": [0], "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8,
                          "weight_decay": 0}]})
    group = optimizer.param_groups[0]
    assert group["amsgrad"] is False and group["decoupled_weight_decay"] is False
    assert group["params"][0] is p
    with_gradient(p)
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 4.0


def test_pickling_and_copying():
    p = with_gradient(parameter(3))
    optimizer = torch.optim.Adam([p], lr=0.5)
    optimizer.step()
    loaded = pickle.loads(pickle.dumps(optimizer))
    q = loaded.param_groups[0]["params"][0]
    assert loaded.state[q]["step"].item() == 1.0
    assert repr(loaded) == repr(optimizer)
    loaded.step()
    assert copy.deepcopy(optimizer).param_groups[0]["lr"] == 0.5


# -- groups ----------------------------------------------------------------------------------------

def test_groups_have_options_of_their_own():
    a, b, c = (with_gradient(parameter(2, seed=i), seed=9) for i in range(3))
    before = [p.detach().clone() for p in (a, b, c)]
    optimizer = torch.optim.SGD([{"params": a, "lr": 1.0}, {"params": iter([b])}], lr=0.5)
    optimizer.add_param_group({"params": [c], "maximize": True})
    optimizer.step()
    for p, old, factor in zip((a, b, c), before, (-1.0, -0.5, 0.5)):
        np.testing.assert_allclose((p - old).detach().numpy(), factor * p.grad.numpy(), rtol=1e-5)


def test_parameters_without_gradient_stay():
    a, b = with_gradient(parameter(2)), parameter(2)
    old = b.detach().clone()
    optimizer = torch.optim.Adam([a, b])
    optimizer.step()
    assert b.tolist() == old.tolist()
    assert len(optimizer.state) == 1


def test_a_parameter_that_joins_late_has_its_own_step_count():
    a, b = with_gradient(parameter(2)), parameter(2, seed=5)
    start = b.detach().clone()
    optimizer = torch.optim.Adam([a, b], lr=0.1)
    optimizer.step()
    optimizer.step()
    with_gradient(b)
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (a, b)] == [3.0, 1.0]
    # Adam's first step is lr times the gradient's sign.
    np.testing.assert_allclose((b - start).detach().numpy(), -0.1 * np.sign(b.grad.numpy()),
                               rtol=1e-4)


def test_zero_grad():
    p = parameter(2)
    optimizer = torch.optim.SGD([p])
    with_gradient(p)
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept and kept.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None


# -- hooks -----------------------------------------------------------------------------------------

def test_step_hooks_and_their_order():
    calls = []
    optimizer = torch.optim.SGD([with_gradient(parameter(1))])

    def note(name):
        return lambda *arguments: calls.append((name, arguments))

    handles = [register_optimizer_step_pre_hook(note("global pre")),
               register_optimizer_step_post_hook(note("global post")),
               optimizer.register_step_pre_hook(note("pre")),
               optimizer.register_step_post_hook(note("post"))]
    try:
        optimizer.step()
        assert [name for name, _ in calls] == ["global pre", "pre", "post", "global post"]
        assert calls[0][1] == (optimizer, (optimizer,), {})
    finally:
        for handle in handles:
            handle.remove()
    calls.clear()
    optimizer.step()
    assert calls == []


def test_a_pre_hook_may_replace_the_arguments():
    optimizer = torch.optim.SGD([with_gradient(parameter(1))])
    handle = optimizer.register_step_pre_hook(lambda self, args, kwargs: ((self, lambda: 5), {}))
    assert optimizer.step() == 5
    handle.remove()
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of "
                                           r"\(new_args, new_kwargs\), but got 3"):
        optimizer.step()


def test_state_dict_hooks():
    calls = []
    optimizer = torch.optim.SGD([parameter(1)])
    optimizer.register_state_dict_pre_hook(lambda self: calls.append("save"))
    optimizer.register_state_dict_post_hook(lambda self, saved: {**saved, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(
        lambda self, saved: calls.append(saved.pop("extra")))
    optimizer.register_load_state_dict_post_hook(lambda self: calls.append("loaded"))
    optimizer.register_load_state_dict_post_hook(lambda self: calls.append("first"), prepend=True)
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    assert calls == ["save", 1, "first", "loaded"]
    assert saved["extra"] == 1


def test_own_optimizer_gets_hooks_and_groups():
    class SignDescent(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=-group["lr"])

    calls = []
    p = with_gradient(parameter(2))
    optimizer = SignDescent([p], 0.1)
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    old = p.detach().clone()
    optimizer.step()
    assert calls == [1]
    np.testing.assert_allclose((p - old).detach().numpy(), -0.1 * p.grad.numpy(), rtol=1e-5)
    with pytest.raises(NotImplementedError):
        torch.optim.Optimizer([p], {}).step()


# -- one formula, every kind of parameter ----------------------------------------------------------

def steps(name, params, count=3, **options):
    optimizer = make(name, params, **options)
    for step in range(count):
        for i, p in enumerate(params):
            with_gradient(p, seed=10 * step + i)
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("name", POINTWISE)
def test_foreach_and_fused_change_nothing(name):
    results = []
    for options in ({}, {"foreach": True}, {"foreach": False}, {"fused": True}):
        if "fused" in options and name not in ("SGD", "Adam", "AdamW", "Adagrad"):
            continue
        p = parameter(3, 2)
        steps(name, [p], **options)
        results.append(p.tolist())
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", POINTWISE)
def test_maximize_is_minimising_the_negative(name):
    p, q = parameter(3), parameter(3)
    up, down = make(name, [p], maximize=True), make(name, [q])
    for step in range(3):
        with_gradient(p, seed=step)
        q.grad = -p.grad
        up.step()
        down.step()
    assert p.tolist() == q.tolist()


@pytest.mark.parametrize("name", POINTWISE)
def test_complex_parameters_are_pairs_of_reals(name):
    p = parameter(3, 2, dtype=torch.complex64)
    q = torch.view_as_real(p.detach()).clone().requires_grad_()
    first, second = make(name, [p], lr=0.1), make(name, [q], lr=0.1)
    for step in range(3):
        with_gradient(p, seed=step)
        q.grad = torch.view_as_real(p.grad).clone()
        first.step()
        second.step()
    np.testing.assert_array_equal(torch.view_as_real(p.detach()).numpy(), q.detach().numpy())


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_follow_float32(name, dtype):
    p, q = parameter(4, dtype=dtype), parameter(4)
    steps(name, [p], lr=0.01)
    steps(name, [q], lr=0.01)
    assert p.dtype is dtype
    tolerance = {torch.float64: 1e-5, torch.float16: 6e-3, torch.bfloat16: 5e-2}[dtype]
    np.testing.assert_allclose(p.detach().float().numpy(), q.detach().numpy(),
                               rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_any_memory_layout(name):
    """A transposed parameter, a parameter that is a view, an expanded gradient."""
    options = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1}
    plain = parameter(4, 3)
    transposed = plain.detach().clone().t().contiguous().t().requires_grad_()
    store = torch.zeros(20)
    inside = store[4:16].view(4, 3)
    inside.copy_(plain.detach())
    inside.requires_grad_()
    for p in (plain, transposed, inside):
        optimizer = make(name, [p], **options)
        for step in range(3):
            if step == 1:
                p.grad = torch.tensor([[1.0], [2.0], [3.0], [4.0]]).expand(4, 3)
            else:
                with_gradient(p, seed=step)
            optimizer.step()
    assert transposed.tolist() == plain.tolist()
    assert transposed.stride() == (1, 4)
    assert inside.tolist() == plain.tolist()
    assert store[4:16].tolist() == [x for row in plain.tolist() for x in row]
    assert store[:4].tolist() == [0, 0, 0, 0] and store[16:].tolist() == [0, 0, 0, 0]


def test_memory_shared_with_numpy_sees_the_step():
    p = parameter(3)
    seen = p.detach().numpy()
    before = seen.copy()
    with_gradient(p)
    torch.optim.SGD([p], lr=1.0).step()
    np.testing.assert_allclose(seen, before - p.grad.numpy(), rtol=1e-6)


def test_step_is_seen_by_versions_and_old_graphs():
    p = parameter(3)
    loss = (p * p).sum()
    with_gradient(p)
    version = p._version
    torch.optim.SGD([p], lr=1.0).step()
    assert p._version == version + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_values_from_before_the_step_keep_their_numbers():
    p = with_gradient(parameter(3))
    doubled = p.detach() * 2
    expected = [2 * x for x in p.tolist()]
    torch.optim.Adam([p], lr=1.0).step()
    assert doubled.tolist() == pytest.approx(expected)


def test_tensor_options():
    results = []
    for rate in (0.1, torch.tensor(0.1), torch.tensor([0.1])):
        p = parameter(3)
        steps("SGD", [p], lr=rate, momentum=0.5)
        results.append(p.tolist())
    assert results[0] == pytest.approx(results[1]) and results[1] == results[2]

    p, q = parameter(3), parameter(3)
    steps("Adam", [p], betas=(torch.tensor(0.9), torch.tensor(0.99)))
    steps("Adam", [q], betas=(0.9, 0.99))
    assert p.tolist() == pytest.approx(q.tolist(), rel=1e-5)


def test_parameters_and_state_are_updated_where_they_are():
    """After the first step, no step allocates a parameter's size again."""
    p = parameter(1000)
    optimizer = torch.optim.Adam([p])
    for step in range(3):
        with_gradient(p, seed=step)
        optimizer.step()
        p.grad = None
    p._array()
    address = p._storage.value.array.ctypes.data
    moment = optimizer.state[p]["exp_avg"]._storage.value.array.ctypes.data
    for step in range(3):
        with_gradient(p, seed=step)
        optimizer.step()
        p.grad = None
    p._array()
    assert p._storage.value.array.ctypes.data == address
    assert optimizer.state[p]["exp_avg"]._storage.value.array.ctypes.data == moment


def test_a_step_is_one_record_whatever_the_number_of_parameters():
    from rushlight.core.ops.optimizer_steps import STEP
    from rushlight.core.runtime.realize import flush
    from rushlight.core.trace.value import STATE
    flush()
    params = [with_gradient(parameter(2, seed=i)) for i in range(10)]
    optimizer = torch.optim.Adam(params)
    optimizer.step()
    optimizer.step()
    records = [value for value in STATE.trace if value.op is STEP]
    assert len(records) == 2
    program, sets = records[-1].params
    assert sets == (0,) * 10            # and the step count is computed once for all of them
    assert len(records[-1].meta) == 10 * 3 + 1


# -- differentiable steps --------------------------------------------------------------------------

@pytest.mark.parametrize("name", POINTWISE)
def test_differentiable_step_gives_the_same_numbers(name):
    p = parameter(3, dtype=torch.float64)
    q = p.detach().clone().requires_grad_().clone()
    plain, differentiable = make(name, [p]), make(name, [q], differentiable=True)
    for step in range(3):
        with_gradient(p, seed=step)
        q.grad = p.grad
        plain.step()
        differentiable.step()
    # Step counts are float32 tensors here, and so are the corrections made from them.
    np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), rtol=1e-4, atol=1e-6)
    assert q.requires_grad and q.grad_fn is not None


def test_gradient_through_steps():
    """d loss / d lr through two steps of momentum SGD, against the formula worked by hand."""
    start = torch.tensor([1.0, 2.0], dtype=torch.float64)
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    p = start.clone().requires_grad_().clone()
    optimizer = torch.optim.SGD([p], lr=rate, momentum=0.5, differentiable=True)
    g = torch.tensor([1.0, -1.0], dtype=torch.float64)
    for _ in range(2):
        p.grad = g
        optimizer.step()
    # p2 = p0 - lr g - lr (0.5 g + g) = p0 - 2.5 lr g
    loss = (p * p).sum()
    loss.backward()
    after = start - 2.5 * 0.1 * g
    assert p.tolist() == pytest.approx(after.tolist())
    assert rate.grad.item() == pytest.approx((2 * after * -2.5 * g).sum().item())


# -- errors ----------------------------------------------------------------------------------------

def a_leaf():
    return parameter(2, 2)


ERRORS = [
    (lambda: torch.optim.SGD(a_leaf()), TypeError,
     "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
     "torch.FloatTensor"),
    (lambda: torch.optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (lambda: torch.optim.SGD([3]), TypeError,
     "optimizer can only optimize Tensors, but one of the params is int"),
    (lambda: torch.optim.SGD([a_leaf() * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda: torch.optim.SGD([("a", a_leaf()), a_leaf()]), ValueError,
     "all optimizer params should be with/without names. Some param names are missing"),
    (lambda: torch.optim.SGD([{"params": {a_leaf()}}]), TypeError,
     "optimizer parameters need to be organized in ordered collections, but the ordering of "
     "tensors in sets will change between runs. Please use a list instead."),
    (lambda: (lambda p: torch.optim.SGD([{"params": [p]}, {"params": [p]}]))(a_leaf()), ValueError,
     "some parameters appear in more than one parameter group"),
    (lambda: torch.optim.SGD([a_leaf()]).add_param_group([a_leaf()]), TypeError,
     "param_group must be a dict, but got <class 'list'>"),
    (lambda: torch.optim.SGD([a_leaf()]).load_state_dict(
        torch.optim.SGD([a_leaf(), a_leaf()]).state_dict()), ValueError,
     "loaded state dict contains a parameter group that doesn't match the size of "
     "optimizer's group"),
    (lambda: torch.optim.SGD([a_leaf()], lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda: torch.optim.SGD([a_leaf()], nesterov=True), ValueError,
     "Nesterov momentum requires a momentum and zero dampening"),
    (lambda: torch.optim.SGD([a_leaf()], fused=True, foreach=True), RuntimeError,
     "`fused` and `foreach` cannot be `True` together."),
    (lambda: torch.optim.Adam([a_leaf()], lr=torch.tensor([0.1, 0.2])), ValueError,
     "Tensor lr must be 1-element"),
    (lambda: torch.optim.Adam([a_leaf()], lr=torch.tensor(0.1), foreach=True), ValueError,
     "lr as a Tensor is not supported for capturable=False and foreach=True"),
    (lambda: torch.optim.Adam([a_leaf()], betas=(1.0, 0.9)), ValueError,
     "Invalid beta parameter at index 0: 1.0"),
    (lambda: torch.optim.Adam([a_leaf()], betas=(0.9, torch.tensor(0.9))), ValueError,
     "betas must be either both floats or both Tensors"),
    (lambda: torch.optim.Adadelta([a_leaf()], rho=2), ValueError, "Invalid rho value: 2"),
    (lambda: torch.optim.Rprop([a_leaf()], etas=(0.5, 0.9)), ValueError,
     "Invalid eta values: 0.5, 0.9"),
    (lambda: torch.optim.Adafactor([a_leaf()], d=0.5), ValueError,
     "Clipping threshold d should be >= 1 but is: 0.5"),
    (lambda: torch.optim.Muon([parameter(3)]), ValueError,
     "Muon only supports 2D parameters whereas we found a parameter with size: torch.Size([3])"),
    (lambda: torch.optim.LBFGS([{"params": a_leaf()}, {"params": a_leaf()}]), ValueError,
     "LBFGS doesn't support per-parameter options (parameter groups)"),
    (lambda: torch.optim.Adam([with_gradient(a_leaf())], capturable=True).step(), AssertionError,
     "If capturable=True, params and state_steps must be on supported devices: "
     "['cuda', 'xpu', 'hpu', 'privateuseone', 'xla']."),
    (lambda: torch.optim.SparseAdam([with_gradient(a_leaf())]).step(), RuntimeError,
     "SparseAdam does not support dense gradients, please consider Adam instead"),
]


@pytest.mark.parametrize("act, kind, text", ERRORS, ids=[text[:40] for _, _, text in ERRORS])
def test_errors(act, kind, text):
    with pytest.raises(kind) as caught:
        act()
    assert str(caught.value) == text


def test_duplicates_warn():
    p = parameter(2)
    with pytest.warns(UserWarning, match="optimizer contains a parameter group with duplicate"):
        torch.optim.SGD([p, p])
