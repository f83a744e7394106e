"""Backward, grad, hooks, modes, custom functions: PyTorch's semantics, with values from it."""

import gc
import weakref

import pytest

import rushlight as torch


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_gradients_accumulate_and_zeroing_starts_again():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_second_backward_needs_the_graph_kept():
    x = leaf(1.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_a_graph_that_saves_nothing_can_be_run_again():
    x = leaf(1.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_non_scalars_need_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        (x * 2).backward()
    (x * 2).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 20.0]


def test_no_graph_no_backward():
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        torch.ones(1).backward()


def test_grad_returns_and_does_not_accumulate():
    x, y = leaf(2.0), leaf(3.0)
    z = x * x * y
    gx, gy = torch.autograd.grad(z, (x, y), create_graph=True)
    assert (gx.item(), gy.item()) == (12.0, 4.0)
    assert x.grad is None
    gxx, gxy = torch.autograd.grad(gx, (x, y))
    assert (gxx.item(), gxy.item()) == (6.0, 4.0)


def test_third_derivative():
    x = leaf(2.0)
    y = x ** 4
    for expected in (32.0, 48.0, 48.0, 24.0):
        y, = torch.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_unused_inputs():
    x, unused = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad(x * 2, (x, unused))
    assert torch.autograd.grad(x * 2, (x, unused), allow_unused=True)[1] is None
    found = torch.autograd.grad(x * 2, (x, unused), materialize_grads=True)
    assert found[1].tolist() == [0.0]


def test_backward_into_chosen_inputs_only():
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2.0] and y.grad is None


def test_gradients_are_reduced_to_broadcast_shapes_and_cast():
    row = torch.ones(3, requires_grad=True)
    scalar = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (torch.ones(2, 3) * row * scalar).sum().backward()
    assert row.grad.tolist() == [4.0] * 3
    assert scalar.grad.dtype is torch.float64 and scalar.grad.item() == 6.0


def test_tensor_hooks_see_and_replace_the_gradient():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    x.register_hook(lambda g: g + 1)
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and len(seen) == 1


def test_post_accumulate_hooks():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    (x * 4).sum().backward()
    assert seen == [4.0]


def test_retain_grad_keeps_an_intermediate():
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0] and y.retains_grad


def test_reading_a_non_leafs_grad_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        assert y.grad is None


def test_leaf_rules():
    x = leaf(1.0)
    y = x * 2
    assert x.is_leaf and not y.is_leaf
    with pytest.raises(RuntimeError, match="can only change requires_grad flags of leaf"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex"):
        torch.tensor([1], requires_grad=True)
    assert not torch.tensor([1.0]).requires_grad_(False).requires_grad


def test_modes_nest_and_decorate():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad

    @torch.no_grad()
    def quiet():
        return x * 2

    @torch.no_grad()
    def numbers():
        yield (x * 2).requires_grad
        yield torch.is_grad_enabled()
    assert not quiet().requires_grad
    assert list(numbers()) == [False, False] and torch.is_grad_enabled()
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    torch.set_grad_enabled(True)


def test_inference_tensors_stay_out_of_autograd():
    x = leaf(1.0)
    with torch.inference_mode():
        y = x * 2
    assert y.is_inference() and not y.requires_grad
    with pytest.raises(RuntimeError, match="[Ii]nference"):
        y.requires_grad_(True)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * 3 * x * x


def test_custom_function_and_its_second_derivative():
    x = leaf(2.0)
    y = Cube.apply(x)
    assert type(y.grad_fn).__name__ == "CubeBackward"
    g, = torch.autograd.grad(y, x, create_graph=True)
    assert g.item() == 12.0
    assert torch.autograd.grad(g, x)[0].item() == 12.0


def test_custom_function_that_returns_too_few_gradients():
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Bad.apply(leaf(1.0), leaf(1.0)).sum().backward()


def test_custom_function_with_none_and_numbers():
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            assert ctx.needs_input_grad == (True, False)
            return g * ctx.factor, None
    x = leaf(1.0)
    Scale.apply(x, 4).sum().backward()
    assert x.grad.tolist() == [4.0]


def test_setup_context_form():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]
    x = leaf(3.0)
    Square.apply(x).sum().backward()
    assert x.grad.tolist() == [6.0]


def test_changed_saved_value_names_tensor_op_versions_and_line():
    a = leaf(1.0, 2.0, 3.0)
    out = a.sigmoid()
    out.detach().zero_()        # the line that the error must name
    with pytest.raises(RuntimeError) as caught:
        out.sum().backward()
    text = str(caught.value)
    for part in ("modified by an inplace operation", "[torch.FloatTensor [3]]",
                 "output 0 of SigmoidBackward0", "is at version 1; expected version 0",
                 "test_autograd.py", "out.detach().zero_()"):
        assert part in text


def test_changes_through_data_go_unnoticed():
    a = leaf(1.0, 2.0)
    out = a.sigmoid()
    out.data.zero_()
    out.sum().backward()
    assert a.grad.tolist() == [0.0, 0.0]


def test_anomaly_mode_raises_at_the_first_nan_and_names_the_forward_line():
    x = leaf(0.0)
    with pytest.warns(UserWarning, match="Anomaly Detection"):
        mode = torch.autograd.detect_anomaly()
    with mode:
        y = x.sqrt() * 0        # 0 / 0 on the way back
        with pytest.raises(RuntimeError, match="SqrtBackward0' returned nan") as caught:
            y.sum().backward()
    assert "test_autograd.py" in str(caught.value) and "x.sqrt() * 0" in str(caught.value)


def test_saved_tensor_hooks_pack_and_unpack():
    packed = []

    def pack(t):
        packed.append(tuple(t.shape))
        return t.numpy() if not t.requires_grad else t.detach().numpy()

    def unpack(array):
        return torch.from_numpy(array)
    x = leaf(1.0, 2.0)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x * x).sum()
    y.backward()
    assert packed == [(2,), (2,)] and x.grad.tolist() == [2.0, 4.0]


def test_node_surface():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    assert z.grad_fn.name() == "MulBackward0"
    names = [type(f).__name__ for f, _ in z.grad_fn.next_functions]
    assert names == ["AccumulateGrad", "AccumulateGrad"]
    assert z.grad_fn.next_functions[0][0].variable is x
    assert z.grad_fn._saved_self.tolist() == [2.0]
    seen = []
    z.grad_fn.register_hook(lambda gi, go: seen.append((gi[0].item(), go[0].item())))
    z.sum().backward()
    assert seen == [(3.0, 1.0)]


def test_graphs_die_without_the_collector():
    gc.disable()
    try:
        x = leaf(1.0)
        y = (x.exp() * x).sigmoid()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_deep_graphs_do_not_overflow_the_stack():
    x = leaf(1.0)
    y = x
    for _ in range(30_000):
        y = y + 0
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y
