"""Calls made before append the same records, and make the same graph, as the first call."""

import pytest

import rushlight as torch
from rushlight.core.ops.record import EXPORTS
from rushlight.core.runtime.realize import flush
from rushlight.core.tensor import known_calls
from rushlight.core.trace.value import STATE
from rushlight.core.trace.walk import text

F = torch.nn.functional


def floats(*shape, grad=True):
    return torch.randn(shape).requires_grad_(grad)


def signal():
    return floats(2, 4, 9), floats(6, 2, 3), floats(6)


def image():
    return floats(2, 4, 9, 8), floats(6, 2, 3, 3), floats(6)


def volume():
    return floats(2, 4, 5, 6, 7), floats(6, 2, 3, 3, 3), floats(6)


def scores():
    return floats(5, 3), torch.tensor([0, 2, 1, 1, 0])


# name: (the tensors of a call, further arguments, by name)
SAMPLES = {
    "conv1d": [(signal, (), {"groups": 2}), (signal, (2, 1, 1, 2), {})],
    "conv2d": [(image, ((2, 1), 1), {"groups": 2}), (image, (1, "same"), {"groups": 2})],
    "conv3d": [(volume, (), {"groups": 2, "padding": 1})],
    "conv_transpose1d": [(lambda: (floats(2, 6, 5), floats(6, 4, 3), floats(4)), (2,), {})],
    "conv_transpose2d": [(lambda: (floats(2, 6, 5, 5), floats(6, 4, 3, 3)), (), {"stride": 2})],
    "conv_transpose3d": [(lambda: (floats(1, 2, 3, 3, 3), floats(2, 2, 2, 2, 2)), (), {})],
    "linear": [(lambda: (floats(3, 4), floats(5, 4), floats(5)), (), {}),
               (lambda: (floats(2, 3, 4), floats(5, 4)), (), {}),
               (lambda: (floats(3, 4, grad=False), floats(5, 4)), (None,), {})],
    "softmax": [(lambda: (floats(3, 4),), (1,), {}), (lambda: (floats(3, 4),), (), {"dim": -1})],
    "log_softmax": [(lambda: (floats(3, 4),), (1,), {})],
    "max_pool1d": [(lambda: (floats(2, 3, 9),), (2,), {}), (lambda: (floats(3, 9),), (3, 1), {})],
    "max_pool2d": [(lambda: (floats(2, 3, 9, 8),), ((2, 3),), {"padding": 1}),
                   (lambda: (floats(2, 3, 9, 8, grad=False),), (2,), {})],
    "max_pool3d": [(lambda: (floats(2, 3, 5, 5, 5),), (2,), {"ceil_mode": True})],
    "max_pool1d_with_indices": [(lambda: (floats(2, 3, 9),), (2,), {})],
    "max_pool2d_with_indices": [(lambda: (floats(2, 3, 9, 9),), (2,), {})],
    "max_pool3d_with_indices": [(lambda: (floats(2, 3, 5, 5, 5),), (2,), {})],
    "nll_loss": [(lambda: (scores()[0].log_softmax(1).detach().requires_grad_(), scores()[1]),
                  (), {"reduction": "sum"})],
    "cross_entropy": [(scores, (), {}), (scores, (), {"reduction": "none", "ignore_index": 1}),
                      (lambda: (*scores(), torch.ones(3)), (), {}),
                      (lambda: (floats(5, 3), torch.rand(5, 3)), (), {})],
}
CASES = [(name, i) for name, samples in SAMPLES.items() for i in range(len(samples))]


def test_every_remembered_function_has_a_sample():
    assert {export.name for export in EXPORTS if export.static} == set(SAMPLES)


def graph(out):
    """A result's backward graph as nested tuples."""
    def walk(node):
        if node is None:
            return None
        return (node.name(), node.plan is None or node.plan.needs, node.params,
                tuple((walk(edge), number) for edge, number in node.next_functions))
    return walk(out.grad_fn), out._output_nr, out.requires_grad, out._meta


def effects(function, tensors, args, kwargs):
    """(records, results' graphs, results, gradients) of one call."""
    flush()
    results = function(*tensors, *args, **kwargs)
    records = text(STATE.trace)
    several = type(results) is tuple
    results = results if several else (results,)
    graphs = [graph(out) for out in results]
    gradients = []
    if results[0].requires_grad:
        wanted = [t for t in tensors if t.requires_grad]
        gradients = torch.autograd.grad(results[0].sum(), wanted)
    return records, graphs, [t.tolist() for t in results], [t.tolist() for t in gradients], several


@pytest.mark.parametrize("name,number", CASES)
@pytest.mark.parametrize("grad", [True, False])
def test_a_known_call_does_what_the_first_one_did(name, number, grad, monkeypatch):
    function = getattr(F, name)
    torch.manual_seed(number)
    make, args, kwargs = SAMPLES[name][number]
    tensors = make()
    with torch.set_grad_enabled(grad):
        function(*make(), *args, **kwargs)
        known = effects(function, tensors, args, kwargs)
        plain = effects(function.__wrapped__, tensors, args, kwargs)
    assert known == plain


def repeats(monkeypatch):
    """A list that grows by one whenever a known call is repeated."""
    seen = []
    original = known_calls._repeat

    def repeat(*arguments):
        seen.append(1)
        return original(*arguments)
    monkeypatch.setattr(known_calls, "_repeat", repeat)
    return seen


def test_only_calls_alike_are_repeated(monkeypatch):
    x, weight = floats(3, 7), floats(2, 7)
    F.linear(x, weight)
    seen = repeats(monkeypatch)
    F.linear(floats(3, 7), floats(2, 7))
    assert len(seen) == 1
    for call in (lambda: F.linear(x.detach(), weight), lambda: F.linear(floats(4, 7), weight),
                 lambda: F.linear(x, weight, None)):
        call()          # another call: observed, and tried once while it is
        before = len(seen)
        call()
        assert len(seen) == before + 1
    with torch.no_grad():
        assert not F.linear(x, weight).requires_grad
        assert not F.linear(x, weight).requires_grad


def test_one_tensor_in_two_places():
    x = floats(4, 4)
    for _ in range(3):
        assert F.linear(x, x).tolist() == (x @ x.T).tolist()
    y = floats(4, 4)
    assert F.linear(x, y).tolist() == (x @ y.T).tolist()
    assert F.linear(x, x).tolist() == (x @ x.T).tolist()


def test_views_and_shared_memory_are_read_as_ever():
    weight = floats(2, 3)
    base = torch.randn(3, 4)
    array = torch.randn(4, 3).numpy()
    shared = torch.from_numpy(array)
    for _ in range(3):
        assert F.linear(base.t(), weight).tolist() == (base.t() @ weight.t()).tolist()
        array[0, 0] += 1
        assert F.linear(shared, weight).tolist() == (shared @ weight.t()).tolist()


def test_what_depends_on_elements_is_checked_at_every_call():
    x = floats(4, 3)
    for _ in range(3):
        F.cross_entropy(x, torch.tensor([0, 1, 2, 2]))
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        F.cross_entropy(x, torch.tensor([0, 1, 3, 2]))
    assert F.cross_entropy(x, torch.tensor([0, 1, 3, 2]), ignore_index=3).requires_grad
    assert F.cross_entropy(x, torch.tensor([0, 1, 3, 2]), ignore_index=3).requires_grad


def test_errors_and_other_modes_are_not_remembered():
    x, weight = floats(3, 7), floats(2, 7)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            F.linear(x, floats(2, 6))
    F.max_pool2d(torch.ones(1, 1, 4, 4), 2, stride=1)
    with pytest.raises(TypeError):
        F.max_pool2d(torch.ones(1, 1, 4, 4), 2, stride=1.0)
    F.linear(x, weight)
    with torch.autocast("cpu"):
        assert F.linear(x, weight).dtype == torch.bfloat16
    with torch.inference_mode():
        assert F.linear(x, weight).is_inference()
    with torch.autograd.set_detect_anomaly(True):
        assert F.linear(x, weight).grad_fn.line is not None
