"""A graph seen before appends the records of its backward without running its nodes."""

import pytest

import rushlight as torch
from rushlight.core.autograd import known_backward
from rushlight.core.autograd.node import Node
from rushlight.core.runtime import compiler
from rushlight.core.runtime.realize import flush
from rushlight.core.trace.value import STATE
from rushlight.core.trace.walk import text

F = torch.nn.functional


@pytest.fixture(autouse=True)
def one_tier(monkeypatch):
    """No plan changes its tier, and its rounding, between what is compared."""
    assert compiler.wait()
    monkeypatch.setattr(compiler, "_off", [True])


def floats(*shape):
    return torch.randn(shape).requires_grad_()


def convolution(x, weight):
    return F.max_pool2d(F.conv2d(x, weight).relu(), 2).view(2, -1).sum()


def shared_leaf(x):
    return (x * x.exp() + x[0] * 2.0 + x.t().sum(0)).sum()


def several_outputs(x):
    values, _ = x.sort(dim=1)
    a, b = values.chunk(2, 1)
    return (a * b).sum() + x.max(dim=0)[0].sum()


def recurrent(x, w):
    h = torch.zeros(3, 4)
    for i in range(3):
        h = torch.tanh(x[i] @ w + h)
    return F.cross_entropy(h, torch.tensor([0, 3, 1]))


def broadcast(x, y):
    return (x * y + y / 3).pow(2).mean()


def in_place(x, y):
    z = x * 2
    z[0] = y
    z.mul_(2.0)
    return z.sum()


GRAPHS = {
    "convolution": (convolution, lambda: (floats(2, 1, 6, 6), floats(3, 1, 3, 3))),
    "shared leaf": (shared_leaf, lambda: (floats(4, 4),)),
    "several outputs": (several_outputs, lambda: (floats(3, 4),)),
    "recurrent": (recurrent, lambda: (floats(3, 3, 4), floats(4, 4))),
    "broadcast": (broadcast, lambda: (floats(3, 4), floats(4))),
    "in place": (in_place, lambda: (floats(3, 4), floats(4))),
    "one leaf twice": (lambda x: (x * x).sum(), lambda: (floats(5),)),
    "not all leaves": (lambda x, y: (x * y.detach()).sum(), lambda: (floats(5), floats(5))),
}


def runs(monkeypatch):
    """A list that grows by one for each node that runs."""
    seen = []
    original = Node.run

    def run(node, grads):
        seen.append(node.name())
        return original(node, grads)
    monkeypatch.setattr(Node, "run", run)
    return seen


def backward(function, leaves, **how):
    """(the records of a backward, the leaves' gradients)."""
    for leaf in leaves:
        leaf.grad = None
    out = function(*leaves)
    flush()
    out.backward(**how)
    records = text(STATE.trace)
    return records, [None if leaf.grad is None else leaf.grad.tolist() for leaf in leaves]


@pytest.mark.parametrize("name", GRAPHS)
def test_a_known_backward_does_what_the_nodes_do(name, monkeypatch):
    function, make = GRAPHS[name]
    torch.manual_seed(0)
    backward(function, make())
    leaves = make()
    ran = runs(monkeypatch)
    known = backward(function, leaves)
    if name != "in place":        # CopySlices and its kin always run
        assert not ran
    monkeypatch.setattr(known_backward, "survey", lambda *_: None)
    assert known == backward(function, leaves)
    assert ran


def test_gradients_add_up_and_graphs_are_freed_or_kept():
    x, y = floats(3), floats(3)
    for _ in range(2):
        (x * y).sum().backward()
        x.grad = None
    (x * y).sum().backward()
    (x * y).sum().backward()
    assert x.grad.tolist() == (y + y).tolist()
    assert y.grad.tolist() == (x + x + x + x).tolist()
    loss = (x * y).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_changed_values_are_noticed():
    for change in (False, False, True):
        x = floats(3)
        y = x.exp()
        z = (y * y).sum()
        if change:
            y.add_(1)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                z.backward()
        else:
            z.backward()


def test_hooks_fire_though_the_graph_is_known():
    def leaves():
        return floats(3), floats(3)
    fired = []
    for _ in range(3):
        x, y = leaves()
        (x * y).sum().backward()
    for attach in (
            lambda x, product: x.register_hook(lambda g: fired.append("leaf")),
            lambda x, product: product.register_hook(lambda g: fired.append("tensor")),
            lambda x, product: product.grad_fn.register_hook(lambda *_: fired.append("node")),
            lambda x, product: product.grad_fn.register_prehook(lambda _: fired.append("before")),
            lambda x, product: x.register_post_accumulate_grad_hook(
                lambda _: fired.append("accumulated")),
            lambda x, product: product.grad_fn.next_functions[0][0].register_hook(
                lambda *_: fired.append("accumulate node"))):
        x, y = leaves()
        product = x * y
        attach(x, product)
        product.sum().backward()
    assert fired == ["leaf", "tensor", "node", "before", "accumulated", "accumulate node"]
    x, y = leaves()
    product = x * y
    product.retain_grad()
    product.sum().backward()
    assert product.grad.tolist() == [1, 1, 1]


def test_which_values_are_one_and_which_numbers_were_used_is_part_of_a_graph():
    x, y = floats(3), floats(3)
    for a, b, factor in ((x, x, 2.0), (x, y, 2.0), (y, x, 2.0), (x, x, 3.0), (x, y, 2)):
        x.grad = y.grad = None
        (a * b * factor).sum().backward()
        wanted = {id(x): 0, id(y): 0}
        wanted[id(a)] = wanted[id(a)] + b.detach() * factor
        wanted[id(b)] = wanted[id(b)] + a.detach() * factor
        for leaf in {id(a): a, id(b): b}.values():
            assert torch.allclose(leaf.grad, wanted[id(leaf)])


def test_the_order_of_creation_decides_the_order_of_adding():
    def terms(order):
        x = torch.tensor([1.0], requires_grad=True)
        factors = [1e8, 1.0, -1e8]
        made = [None] * 3
        for i in order:
            made[i] = x * factors[i]
        (made[0] + made[1] + made[2]).sum().backward()
        return x.grad.item()
    plain = {}
    for order in ((0, 1, 2), (2, 0, 1), (1, 0, 2)):
        plain[order] = [terms(order) for _ in range(3)]
    assert [len(set(found)) for found in plain.values()] == [1, 1, 1]
    assert (plain[0, 1, 2][0], plain[1, 0, 2][0]) == (0.0, 1.0)


def test_second_order_anomaly_mode_and_custom_functions_run_node_by_node(monkeypatch):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * calls.pop()

    calls = [5.0, 4.0, 3.0]
    for wanted in (3.0, 4.0, 5.0):
        x = floats(2)
        Twice.apply(x).sum().backward()
        assert x.grad.tolist() == [wanted] * 2
    x = floats(3)
    for _ in range(3):
        x.grad = None
        (x ** 3).sum().backward()
    first = x.grad
    x.grad = None
    (x ** 3).sum().backward(create_graph=True)
    assert x.grad.tolist() == first.tolist() and x.grad.requires_grad
    x.grad = None
    ran = runs(monkeypatch)
    with torch.autograd.set_detect_anomaly(True):
        (x ** 3).sum().backward()
    assert ran


def test_a_derivative_that_looks_at_numbers_is_run_every_time():
    def step(x):
        y = x.prod()      # its derivative looks for zeros
        y.backward()
        found, x.grad = x.grad.tolist(), None
        return found
    for _ in range(3):
        assert step(torch.tensor([2.0, 3.0, 4.0], requires_grad=True)) == [12, 8, 6]
    assert step(torch.tensor([2.0, 0.0, 4.0], requires_grad=True)) == [0, 8, 0]


def test_gradients_are_memory_of_their_own():
    x = floats(2, 3)
    for _ in range(3):
        x.grad = None
        x.t().sum().backward()
        x.grad.add_(1)
        assert x.grad.tolist() == [[2.0] * 3] * 2
    a, b = floats(3), floats(3)
    for _ in range(3):
        a.grad = b.grad = None
        (a + b).sum().backward()
        a.grad.zero_()
        assert b.grad.tolist() == [1, 1, 1]
