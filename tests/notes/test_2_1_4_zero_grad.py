"""Notes 2.1.4: gradients accumulate until they are cleared, and each graph is freed by backward."""

import gc
import weakref

import pytest

from tests.notes.subject import F, nn, optim, run_notes, torch


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def batch(size, seed=1):
    source = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, generator=source), torch.randint(0, 2, (size,), generator=source)


def gradients(net):
    return [None if p.grad is None else p.grad.clone() for p in net.parameters()]


def test_gradients_accumulate_until_cleared():
    x = torch.tensor([2.0], requires_grad=True)
    for expected in (3.0, 6.0, 9.0):
        (3 * x).sum().backward()
        assert x.grad.tolist() == [expected]
    x.grad = None
    (3 * x).sum().backward()
    assert x.grad.tolist() == [3.0]


def test_zero_grad_sets_to_none_or_to_zero():
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    net(batch(2)[0]).sum().backward()
    optimizer.zero_grad()
    assert gradients(net) == [None] * 4
    net(batch(2)[0]).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert all(torch.equal(g, torch.zeros_like(g)) for g in gradients(net))
    net(batch(2)[0]).sum().backward()
    net.zero_grad()
    assert gradients(net) == [None] * 4


def test_model_and_optimizer_clear_the_same_when_there_is_one_optimizer():
    for make in (optim.SGD, optim.Adam):
        net = network()
        optimizer = make(net.parameters(), lr=0.1)
        for clear in (net.zero_grad, optimizer.zero_grad):
            net(batch(2)[0]).sum().backward()
            assert all(g is not None for g in gradients(net))
            clear()
            assert gradients(net) == [None] * 4


def test_with_several_optimizers_each_clears_its_own_part():
    net = network()
    first = optim.SGD(net[0].parameters(), lr=0.1)
    second = optim.Adam(net[2].parameters(), lr=0.1)
    net(batch(2)[0]).sum().backward()
    first.zero_grad()
    assert gradients(net[0]) == [None, None]
    assert all(g is not None for g in gradients(net[2]))
    net.zero_grad()
    assert gradients(net) == [None] * 4
    second.zero_grad()


def test_accumulation_equals_the_larger_batch():
    xs, ys = batch(8)
    whole, parts = network(), network()
    F.cross_entropy(whole(xs), ys).backward()
    for start in range(0, 8, 2):
        loss = F.cross_entropy(parts(xs[start : start + 2]), ys[start : start + 2])
        (loss / 4).backward()
    for one, other in zip(gradients(whole), gradients(parts)):
        assert torch.allclose(one, other, atol=1e-6)


NOTES_LOOP = """
for idx, data in enumerate(train_loader):
  xs, ys = data

  {optimizer}.zero_grad()
  # d(l1)/d(x)
  pred1 = model1(xs)
  loss = loss_fn1(pred1, ys)
  loss.backward()

  # d(l2)/d(x)
  pred2 = model2(xs)
  loss2 = loss_fn2(pred2, ys)
  {second}.backward()

  {optimizer}.step()
"""


def multi_task(code):
    torch.manual_seed(3)
    trunk = nn.Linear(3, 4)
    model1 = nn.Sequential(trunk, nn.Linear(4, 2))
    model2 = nn.Sequential(trunk, nn.Linear(4, 2))
    optimizer = optim.SGD([*model1.parameters(), *model2[1].parameters()], lr=0.0)
    run_notes(
        code,
        train_loader=[batch(4)],
        model1=model1,
        model2=model2,
        loss_fn1=nn.CrossEntropyLoss(),
        loss_fn2=nn.CrossEntropyLoss(reduction="sum"),
        optimizer=optimizer,
    )
    return trunk, model1, model2


def test_multi_task_loop_adds_the_gradients_of_both_losses():
    code = NOTES_LOOP.format(optimizer="optimizer", second="loss2")
    trunk, model1, model2 = multi_task(code)
    xs, ys = batch(4)
    summed = trunk.weight.grad.clone()
    trunk.zero_grad()
    (F.cross_entropy(model1(xs), ys) + F.cross_entropy(model2(xs), ys, reduction="sum")).backward()
    assert torch.allclose(summed, trunk.weight.grad, atol=1e-6)


def test_backward_frees_its_graph():
    """One graph in memory at a time: what a task saved is gone after its backward."""
    released = []

    class Remember(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            kept = x * 2
            ctx.save_for_backward(kept)
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0].sum()

    x = torch.ones(3, requires_grad=True)
    middle = x * 1.5
    storage = weakref.ref(middle, lambda _: released.append("middle"))
    loss = (Remember.apply(middle) * middle.exp()).sum()
    loss.backward()
    del middle
    gc.collect()
    assert storage() is None and released == ["middle"]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()


def test_second_backward_names_the_remedy():
    x = torch.ones(2, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(
        RuntimeError,
        match=r"Trying to backward through the graph a second time .*retain_graph=True",
    ):
        loss.backward()
    kept = (x * x).sum()
    kept.backward(retain_graph=True)
    kept.backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_slip_misspelt_optimizer():
    with pytest.raises(NameError, match="optmizer"):
        multi_task(NOTES_LOOP.format(optimizer="optmizer", second="loss2"))


def test_slip_loss_backward_where_loss2_was_meant():
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        multi_task(NOTES_LOOP.format(optimizer="optimizer", second="loss"))
