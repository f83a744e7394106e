"""`rushlight.compile`: a replay is the call, bit for bit; what cannot be replayed is called."""

import copy
import functools
import math
import random

import pytest

import rushlight as torch
from benchmarks.lenet import make_net, make_step
from rushlight.core.runtime import compiler, realize

nn, F = torch.nn, torch.nn.functional


@pytest.fixture(autouse=True, params=["interpreter", "native"])
def tier(request, monkeypatch):
    """One tier throughout: a run that moves from one to the other rounds differently."""
    monkeypatch.setattr(realize, "_structures", type(realize._structures)())
    monkeypatch.setattr(realize, "COMPILES", request.param == "native")
    monkeypatch.setattr(compiler, "MODE", "sync")


def trainer(optimizer_class=torch.optim.SGD, batch_norm=False, dropout=0.0, **options):
    """A small net with its optimizer, and a step function over a closure."""
    torch.manual_seed(3)
    layers = [nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)]
    if batch_norm:
        layers.insert(1, nn.BatchNorm1d(8))
    if dropout:
        layers.insert(1, nn.Dropout(dropout))
    net = nn.Sequential(*layers)
    optimizer = optimizer_class(net.parameters(), **options)

    def step(images, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return net, optimizer, step


def batches(count, size=5):
    generator = torch.Generator().manual_seed(11)
    return [(torch.randn(size, 6, generator=generator),
             torch.randint(0, 3, (size,), generator=generator)) for _ in range(count)]


def everything(net, optimizer):
    """All state of a training run as plain Python."""
    return ([p.tolist() for p in net.parameters()], [b.tolist() for b in net.buffers()],
            [p.grad.tolist() for p in net.parameters()],
            [[s.tolist() if isinstance(s, torch.Tensor) else s for s in state.values()]
             for state in optimizer.state.values()], torch.get_rng_state().tolist())


OPTIMIZERS = {
    "SGD": (torch.optim.SGD, {"lr": 0.1}),
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "Adam": (torch.optim.Adam, {"lr": 0.01}),
    "AdamW": (torch.optim.AdamW, {"lr": 0.01, "amsgrad": True}),
    "RMSprop": (torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.5, "centered": True}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_is_what_it_was(name):
    kind, options = OPTIMIZERS[name]
    found = []
    for compiled in (False, True):
        net, optimizer, step = trainer(kind, batch_norm=True, dropout=0.3, **options)
        run = torch.compile(step) if compiled else step
        torch.manual_seed(5)
        losses = [run(*batch).item() for batch in batches(7)]
        found.append((losses, everything(net, optimizer)))
        if compiled:
            assert run.captures >= 1
    assert found[0] == found[1]


def test_replays_run_no_python_of_the_function():
    net, optimizer, step = trainer(lr=0.1)
    calls = []

    def counted(images, labels):
        return step(images, labels)

    run = torch.compile(counted)
    for batch in batches(3):
        run(*batch)
    assert run.captures == 2      # without gradients, and with those of the step before
    forward = nn.Linear.forward
    try:
        nn.Linear.forward = lambda self, x: calls.append(1) or forward(self, x)
        run(*batches(1)[0])
    finally:
        nn.Linear.forward = forward
    assert not calls and run.captures == 2


def test_the_notes_step_that_returns_a_number():
    plain, run = make_step(torch, 4), torch.compile(make_step(torch, 4))
    assert [plain() for _ in range(6)] == [run() for _ in range(6)]
    assert run.captures == 1


def test_learning_rates_may_change():
    found = []
    for compiled in (False, True):
        net, optimizer, step = trainer(lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        run = torch.compile(step) if compiled else step
        losses = []
        for batch in batches(6):
            losses.append(run(*batch).item())
            scheduler.step()
        optimizer.param_groups[0]["weight_decay"] = 0.1     # another formula
        losses += [run(*batch).item() for batch in batches(2)]
        found.append((losses, everything(net, optimizer)))
    assert found[0] == found[1]
    assert run.captures == 2


def test_state_that_is_loaded_or_written_in_between():
    found = []
    for compiled in (False, True):
        net, optimizer, step = trainer(torch.optim.Adam, lr=0.01)
        run = torch.compile(step) if compiled else step
        losses = []
        saved = None
        for i, batch in enumerate(batches(8)):
            losses.append(run(*batch).item())
            if i == 3:
                saved = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
            if i == 5:
                net.load_state_dict(saved[0])
                optimizer.load_state_dict(saved[1])
            if i == 6:
                with torch.no_grad():
                    net[0].weight.mul_(0.5)
                    net[0].bias.data = torch.zeros(8)
        found.append((losses, everything(net, optimizer)))
    assert found[0] == found[1]


def test_results_of_replays_are_tensors_of_their_own():
    net, optimizer, step = trainer(lr=0.1)
    run = torch.compile(step)
    losses = [run(*batch) for batch in batches(5)]
    kept = [loss.item() for loss in losses]
    losses[-1].detach().zero_()
    assert [loss.item() for loss in losses[:-1]] == kept[:-1]
    assert len(set(kept)) == 5
    assert all(loss.requires_grad and loss.grad_fn.name() == "NllLossBackward0" for loss in losses)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        losses[2].backward()
    before = [p.grad for p in net.parameters()]
    values = [g.tolist() for g in before]
    run(*batches(1)[0])
    assert [g.tolist() for g in before] == values
    assert all(p.grad is not g for p, g in zip(net.parameters(), before))


def test_saved_values_and_copies_are_not_overwritten():
    net, optimizer, step = trainer(lr=0.1)
    run = torch.compile(step)
    for batch in batches(3):
        run(*batch)
    weight = net[0].weight
    copy_, pending = weight.detach().clone(), weight.detach() * 2
    shared = weight.detach().numpy().copy()
    loss = (net(batches(1)[0][0]) ** 2).sum()
    run(*batches(1)[0])
    assert copy_.tolist() == shared.tolist() != weight.tolist()
    assert pending.tolist() == (shared * 2).tolist()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_that_add_up():
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        net = nn.Linear(6, 3)

        def accumulate(images, labels, net=net):
            F.cross_entropy(net(images), labels).backward()

        run = torch.compile(accumulate) if compiled else accumulate
        for batch in batches(4):
            assert run(*batch) is None
        found.append([p.grad.tolist() for p in net.parameters()])
    assert found[0] == found[1]
    assert run.captures == 2


def test_shapes_modes_flags_and_arguments_are_guarded():
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))

    def function(x, factor=2.0, *, negate=False):
        with torch.no_grad():
            y = net(x) * factor
            return -y if negate else y

    run = torch.compile(function)
    x = torch.randn(3, 4)
    cases = [((x,), {}), ((torch.randn(2, 4),), {}), ((x,), {"negate": True}), ((x, 3.0), {}),
             ((x, 3), {}), ((x.double(),), {}), ((x.t().contiguous().t(),), {})]
    net.double().float()
    for training in (True, False):
        net.train(training)
        for _ in range(3):
            for args, kwargs in cases:
                if args[0].dtype == torch.float64:
                    for f in (run, function):
                        with pytest.raises(RuntimeError):
                            f(*args, **kwargs)
                    continue
                torch.manual_seed(1)
                wanted = function(*args, **kwargs).tolist()
                torch.manual_seed(1)
                assert run(*args, **kwargs).tolist() == wanted
    assert run.captures == 12


def test_random_numbers_go_on_where_they_were():
    def noise(x):
        return x + torch.rand(3), torch.randn(20)

    found = []
    for function in (noise, torch.compile(noise)):
        torch.manual_seed(7)
        made = [[t.tolist() for t in function(torch.zeros(3))] for _ in range(4)]
        made.append(torch.rand(2).tolist())
        made.append([t.tolist() for t in function(torch.ones(3))])
        found.append(made)
    assert found[0] == found[1]
    assert function.captures == 1


def test_hooks_fire_at_every_call():
    net, optimizer, step = trainer(lr=0.1)
    run = torch.compile(step)
    for batch in batches(4):
        run(*batch)
    fired = []
    handles = [net[0].register_forward_hook(lambda *_: fired.append("module")),
               net[2].weight.register_hook(lambda g: fired.append("tensor")),
               net[2].bias.register_post_accumulate_grad_hook(lambda p: fired.append("grad")),
               optimizer.register_step_post_hook(lambda *_: fired.append("step"))]
    for _ in range(3):
        run(*batches(1)[0])
    assert sorted(fired) == sorted(["module", "tensor", "grad", "step"] * 3)
    for handle in handles:
        handle.remove()
    run(*batches(1)[0])
    assert len(fired) == 12


class Model(nn.Module):
    """A user's module with state and a branch."""

    scale = 2.0

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.depth = 1
        self.history = []
        self.calls = 0

    def forward(self, x):
        for _ in range(self.depth):
            x = self.inner(x) * self.scale
        return x

    def report(self):
        print(self.history)


def test_attributes_of_modules_are_guarded():
    net = Model()

    def function(x):
        with torch.no_grad():
            return net(x).sum()

    run, x = torch.compile(function), torch.randn(2, 4)

    def same():
        assert run(x).item() == function(x).item()

    try:
        for change in (lambda: None, lambda: setattr(net, "depth", 3),
                       lambda: setattr(net, "scale", 0.5), lambda: setattr(Model, "scale", 9.0),
                       lambda: net.__dict__.pop("scale"), lambda: setattr(net, "depth", 0),
                       lambda: setattr(net, "inner", nn.Linear(4, 4)),
                       lambda: setattr(net, "depth", 1)):
            change()
            same()
            same()
    finally:
        Model.scale = 2.0
    same()
    net.history.append(1)     # no code in reach looks at it
    before = run.captures
    same()
    assert run.captures == before and not run.refusals


FACTOR = 2.0
TABLE = {"gain": 3.0}


def uses_globals(x):
    return x * FACTOR * TABLE["gain"] + helper(x)


def helper(x):
    return x * math.sqrt(FACTOR)


def test_variables_are_guarded(monkeypatch):
    run, x = torch.compile(uses_globals), torch.randn(3)
    bias = 1.0

    def closed(x):
        return x + bias

    closed_run = torch.compile(closed)
    for name, value in (("FACTOR", 2.0), ("FACTOR", 5.0), ("TABLE", {"gain": 1.0})):
        monkeypatch.setitem(globals(), name, value)
        for _ in range(2):
            assert run(x).tolist() == uses_globals(x).tolist()
    TABLE["gain"] = 7.0
    assert run(x).tolist() == uses_globals(x).tolist()
    for value in (1.0, 1.0, 4.0):
        bias = value
        assert closed_run(x).tolist() == (x + value).tolist()
    assert closed_run.captures == 2


def test_functions_of_other_modules_are_looked_into(tmp_path, monkeypatch):
    (tmp_path / "gains.py").write_text("gain = 2.0\ndef scale(x):\n    return x * gain\n"
                                       "def show(x):\n    print(x)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import gains  # type: ignore[import-not-found]

    def function(x):
        return gains.scale(x)

    def shows(x):
        gains.show("x")
        return x + 1

    run, x = torch.compile(function), torch.ones(2)
    for value in (2.0, 2.0, 5.0):
        gains.gain = value
        assert run(x).tolist() == [value, value]
    assert run.captures == 2
    run = torch.compile(shows)
    run(x)
    assert run.refusals == ["it calls print()"]


def side_effect_append(x, seen=[]):  # noqa: B006
    seen.append(1)
    return x * len(seen)


def prints(x):
    print("seen")
    return x * 2


def draws(x):
    return x * random.random()


def branches(x):
    return x * 2 if x.sum() > 0 else x * 3


def reads_in_the_middle(x):
    return x * x.max().item()


KEPT = {}


def keeps(x):
    KEPT["last"] = x * 2
    return KEPT["last"] + 1


def counts(x):
    net = COUNTER
    net.calls += 1
    return x * net.calls


COUNTER = Model()


def leaves_a_mode(x):
    torch.set_grad_enabled(False)
    return x * 2


def attaches(x):
    ATTACHED.note = getattr(ATTACHED, "note", 0) + 1
    return x * ATTACHED.note


ATTACHED = torch.ones(1)


@functools.lru_cache
def cached(factor):
    return print("cached") or factor


def hidden_in_a_decorator(x):
    return x * cached(3)


@pytest.mark.parametrize("function,why", [
    (side_effect_append, "changes Python state"), (prints, "print"), (draws, "random"),
    (branches, "elements"), (reads_in_the_middle, "elements"), (keeps, "Python state"),
    (counts, "changes Python state"), (leaves_a_mode, "mode"), (hidden_in_a_decorator, "print"),
    (attaches, "changes Python state")])
def test_what_cannot_be_replayed_is_called_as_it_is(function, why, capsys):
    run = torch.compile(function)
    x = torch.tensor([1.0, -3.0])
    for i in range(12):
        random.seed(i)
        wanted = function(x).tolist()
        random.seed(i)
        torch.set_grad_enabled(True)
        found = run(x).tolist()
        assert torch.is_grad_enabled() == (function is not leaves_a_mode)
        torch.set_grad_enabled(True)
        if function in (side_effect_append, counts, attaches):     # a call of theirs came before
            assert found != wanted
        else:
            assert found == wanted
        x = -x
    assert run.captures == 0
    assert any(why in reason for reason in run.refusals), run.refusals
    if function is prints:
        assert capsys.readouterr().out == "seen\n" * 24


def test_numbers_read_at_the_end_only():
    def total(x):
        return (x * 2).sum().item()

    def judged(x):
        found = (x * 2).sum().item()
        return found if found > 0 else -found

    def as_float(x):
        return float((x * 2).sum())

    for function, captures in ((total, 1), (judged, 0), (as_float, 1)):
        run = torch.compile(function)
        for i in range(-2, 3):
            x = torch.full((3,), float(i))
            assert run(x) == function(x)
        assert run.captures == captures


class Block(nn.Module):
    """Convolution, batch norm, dropout, views, in-place rectifiers, a skip connection."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(0.25), nn.Linear(4 * 16, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.act(self.norm(self.conv(x)))
        a, b = y.chunk(2, 1)
        y = torch.cat([a * b, a.transpose(2, 3).exp()], 1) + y
        y[:, 0] = 0.5
        return self.head(self.drop(y).flatten(1)), y.mean()


class Attention(nn.Module):
    """A causal attention layer with a tied weight and a buffer."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 8)
        self.qkv, self.norm = nn.Linear(8, 24), nn.LayerNorm(8)
        self.register_buffer("mask", torch.ones(5, 5).tril() == 0)

    def forward(self, tokens):
        x = self.embed(tokens)
        q, k, v = self.qkv(self.norm(x)).split(8, -1)
        scores = (q @ k.transpose(-1, -2) / math.sqrt(8)).masked_fill(self.mask, -math.inf)
        x = x + torch.softmax(scores, -1) @ v
        positions = torch.arange(tokens.shape[1])
        return (x + positions[:, None] * 0.1) @ self.embed.weight.t()


def image():
    return torch.randn(3, 2, 4, 4)


def tokens():
    return torch.randint(0, 7, (2, 5))


def graph(node):
    if node is None:
        return None
    return (node.name(), node.metas, node.params,
            tuple((graph(edge), number) for edge, number in node.next_functions))


@pytest.mark.parametrize("kind,make", [(Block, image), (Attention, tokens)])
def test_a_forward_whose_backward_follows(kind, make):
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        net = kind()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        run = torch.compile(net) if compiled else net
        made: list = []
        for _ in range(4):
            out = run(make())
            out = out if isinstance(out, tuple) else (out,)
            loss = sum((o * o).mean() for o in out)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            made += [loss.item(), [o.tolist() for o in out], [o._version for o in out],
                     [(o.output_nr, o.requires_grad, o.stride()) for o in out],
                     [p.grad.tolist() for p in net.parameters()],
                     [b.tolist() for b in net.buffers()], torch.rand(1).item()]
        out = run(make())
        made.append([graph(o.grad_fn) for o in (out if isinstance(out, tuple) else (out,))])
        if compiled:
            assert run._compiled.captures == 2 and not run._compiled.refusals
        found.append(made)
    assert found[0] == found[1]


def test_gradients_of_arguments_flow_on():
    weight = torch.randn(3, 3, requires_grad=True)

    def function(x, y):
        return torch.tanh(x @ weight) * y

    run = torch.compile(function)
    for _ in range(3):
        leaf = torch.randn(2, 3, requires_grad=True)
        y = torch.randn(3)
        grads = []
        for f in (run, function):
            weight.grad = leaf.grad = None
            f(leaf.exp(), y).sum().backward()
            grads.append((weight.grad.tolist(), leaf.grad.tolist()))
        assert grads[0] == grads[1]
        (g,) = torch.autograd.grad(run(leaf, y).sum(), leaf, create_graph=True)
        (gg,) = torch.autograd.grad(g.sum(), leaf)
        (h,) = torch.autograd.grad(function(leaf, y).sum(), leaf, create_graph=True)
        assert gg.tolist() == torch.autograd.grad(h.sum(), leaf)[0].tolist()
    assert run.captures == 2          # with an argument of a graph, and with a leaf
    assert not run.refusals


def test_graphs_of_replays_are_independent():
    weight = torch.randn(3, requires_grad=True)

    def function(x):
        return (x * weight).exp()

    run = torch.compile(function)
    run(torch.ones(3))
    one, two = run(torch.ones(3)), run(torch.zeros(3))
    fired = []
    one.register_hook(lambda g: fired.append(g.tolist()))
    two.sum().backward()
    assert weight.grad.tolist() == [0, 0, 0] and not fired
    one.sum().backward(retain_graph=True)
    assert weight.grad.tolist() == one.tolist() and fired == [[1, 1, 1]]
    three = run(torch.ones(3))
    three.retain_grad()
    three.sum().backward()
    assert three.grad.tolist() == [1, 1, 1]
    square = torch.compile(lambda x: x * weight * weight)
    for _ in range(3):
        out = square(torch.ones(3))
        with torch.no_grad():
            weight.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            out.sum().backward()


def test_hooks_on_parameters_fire_when_the_backward_is_run():
    weight = torch.randn(3, requires_grad=True)
    run = torch.compile(lambda x: (x * weight).sum())
    run(torch.ones(3))
    fired = []
    weight.register_hook(lambda g: fired.append(1))
    for _ in range(3):
        run(torch.ones(3)).backward()
    assert fired == [1, 1, 1]


def test_graphs_that_cannot_be_rebuilt_are_run():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    weight = torch.randn(3, requires_grad=True)
    run = torch.compile(lambda x: Twice.apply(x * weight))
    for _ in range(3):
        weight.grad = None
        run(torch.ones(3)).sum().backward()
        assert weight.grad.tolist() == [2, 2, 2]
    assert run.captures == 0 and "custom function" in run.refusals[0]


def test_memory_shared_with_numpy_and_aliases():
    def double(x, y):
        x.mul_(2)
        return x + y

    run = torch.compile(double)
    a = torch.ones(3)
    array = a.numpy()
    assert run(a, torch.ones(3)).tolist() == [3, 3, 3] and array.tolist() == [2, 2, 2]
    for _ in range(2):
        b = torch.ones(3)
        assert run(b, b).tolist() == [4, 4, 4]
        c = torch.ones(3)
        assert run(c, torch.ones(3)).tolist() == [3, 3, 3] and c.tolist() == [2, 2, 2]
        d = torch.ones(3)
        e = d.clone()
        assert run(d, e).tolist() == [3, 3, 3] and e.tolist() == [1, 1, 1]


def test_results_of_every_form():
    def function(x, pair):
        a, b = pair["a"], pair["b"]
        return {"sum": a + b, "input": x, "text": "ok", "parts": (x * 2, [a - b, 3], None)}

    run = torch.compile(function)
    for _ in range(3):
        x, pair = torch.randn(2), {"a": torch.randn(2), "b": torch.randn(2)}
        found, wanted = run(x, pair), function(x, pair)
        assert found["input"] is x and found["text"] == "ok" and found["parts"][2] is None
        assert found["sum"].tolist() == wanted["sum"].tolist()
        assert found["parts"][1][0].tolist() == wanted["parts"][1][0].tolist()
        assert found["parts"][1][1] == 3
    assert run.captures == 1


def test_a_failing_replay_keeps_everything():
    net, optimizer, step = trainer(lr=0.1, momentum=0.9)
    run = torch.compile(step)
    for batch in batches(4):
        run(*batch)
    before = [p.tolist() for p in net.parameters()]
    with pytest.raises(IndexError):
        run(batches(1)[0][0], torch.tensor([0, 1, 2, 7, 0]))
    assert all(p.tolist() for p in net.parameters())
    assert before == [p.tolist() for p in net.parameters()]
    run(*batches(1)[0])


def test_modules():
    torch.manual_seed(0)
    net = make_net(torch)
    run = torch.compile(net)
    x = torch.randn(2, 3, 32, 32)
    assert list(run.state_dict())[0] == "_orig_mod.conv1.weight"
    assert run.conv1 is net.conv1 and isinstance(run, nn.Module)
    run.eval()
    assert not net.training
    with torch.no_grad():
        for _ in range(3):
            assert run(x).tolist() == net(x).tolist()
    assert run._compiled.captures == 1
    loss = run(x).sum()
    loss.backward()
    assert net.fc3.bias.grad.tolist() == [2.0] * 10
    net.compile()
    with torch.no_grad():
        assert [net(x).tolist() for _ in range(2)][1] == run(x).tolist()


def test_why_a_call_was_not_captured_is_told(capsys, monkeypatch):
    monkeypatch.setattr("rushlight._compile.DEBUG", 1)
    with torch.explain() as report:
        run = torch.compile(branches)
        run(torch.ones(2))
        run(torch.ones(2))
    text = "branches was not captured: it looks at a tensor's elements while it runs"
    assert str(report).count(text) == 1 and "branches was not captured" in report.html()
    assert capsys.readouterr().err.count(f"rushlight: {text}") == 1
    assert __file__ in run.refusals[0]


def test_the_signature():
    assert torch.compile(nn.Linear(2, 2), disable=True).__class__ is nn.Linear

    @torch.compile(mode="reduce-overhead", dynamic=False)
    def decorated(x):
        """Doc."""
        return x + 1

    assert decorated.__doc__ == "Doc." and decorated(torch.ones(2)).tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        torch.compile(decorated, mode="fastest")
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(decorated, mode="default", options={})
    with pytest.raises(RuntimeError, match="expects a callable"):
        torch.compile(3)
    with pytest.raises(NotImplementedError):
        torch.compile(decorated, backend=lambda *_: None)
    strict = torch.compile(branches, fullgraph=True)
    with pytest.raises(RuntimeError, match="elements"):
        for _ in range(10):
            strict(torch.ones(2))


def test_methods_and_other_callables():
    class Trainer:
        def __init__(self):
            self.net, self.optimizer, self.inner = trainer(lr=0.1)

        @torch.compile
        def step(self, images, labels):
            return self.inner(images, labels)

    one, two = Trainer(), Trainer()
    net, _, step = trainer(lr=0.1)
    for batch in batches(4):
        wanted = step(*batch).item()
        assert one.step(*batch).item() == two.step(*batch).item() == wanted
