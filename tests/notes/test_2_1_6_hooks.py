"""Notes 2.1.6: hooks see, and may replace, what flows through tensors and modules."""

import pytest

from tests.notes.subject import nn, run_notes, torch

prune = __import__(f"{nn.__name__}.utils.prune", fromlist=["prune"])


def test_tensor_hook_sees_the_gradient_of_an_intermediate_value():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    seen = []
    y.register_hook(lambda grad: seen.append(grad.tolist()))
    (y * y).sum().backward()
    assert seen == [[6.0, 12.0]]
    assert x.grad.tolist() == [18.0, 36.0]


def test_tensor_hook_may_replace_the_gradient_and_can_be_removed():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    handle = y.register_hook(lambda grad: grad * 10)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_hooks_run_in_order_and_on_leaves():
    x = torch.ones(1, requires_grad=True)
    x.register_hook(lambda grad: grad + 1)
    x.register_hook(lambda grad: grad * 10)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [30.0]


def test_hook_needs_a_tensor_that_requires_grad():
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't"):
        torch.ones(1).register_hook(print)


def test_notes_block_print_a_gradient():
    _, printed = run_notes(
        """
import torch
x = torch.ones(2, requires_grad=True)
y = x * 2

def save_grad():
    def hook(grad):
        print(grad)
    return hook

# register gradient hook for tensor y
if y.requires_grad == True:
    y.register_hook(save_grad())
y.sum().backward()
"""
    )
    assert printed == "tensor([1., 1.])\n"


def test_intermediate_gradients_are_released_unless_retained():
    x = torch.ones(2, requires_grad=True)
    y, z = x * 2, x * 3
    z.retain_grad()
    (y + z).sum().backward()
    assert z.grad.tolist() == [1.0, 1.0] and z.retains_grad
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf"):
        assert y.grad is None


def test_forward_hooks_see_and_replace_input_and_output():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
    calls = []
    before = layer.register_forward_pre_hook(
        lambda module, args: calls.append("before") or (args[0] * 10,)
    )
    after = layer.register_forward_hook(
        lambda module, args, output: calls.append(args[0].tolist()) or output + 1
    )
    assert layer(torch.ones(1, 2)).tolist() == [[31.0]]
    assert calls == ["before", [[10.0, 10.0]]]
    before.remove()
    after.remove()
    assert layer(torch.ones(1, 2)).tolist() == [[3.0]]


def test_forward_hook_with_keywords():
    class Scale(nn.Module):
        def forward(self, x, factor=1.0):
            return x * factor

    layer, seen = Scale(), []
    layer.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"factor": kwargs["factor"] + 1}), with_kwargs=True
    )
    layer.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(kwargs["factor"]), with_kwargs=True
    )
    assert layer(torch.ones(1), factor=2.0).item() == 3.0 and seen == [3.0]


def test_full_backward_hooks():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
    seen = {}

    def pre(module, grad_output):
        seen["pre"] = grad_output[0].tolist()
        return (grad_output[0] * 2,)

    def post(module, grad_input, grad_output):
        seen["post"] = (grad_input[0].tolist(), grad_output[0].tolist())
        return (grad_input[0] * 10,)

    layer.register_full_backward_pre_hook(pre)
    layer.register_full_backward_hook(post)
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == {"pre": [[1.0]], "post": ([[2.0, 4.0]], [[2.0]])}
    assert x.grad.tolist() == [[20.0, 40.0]]
    assert layer.weight.grad.tolist() == [[2.0, 2.0]]


def test_global_module_hooks():
    names = []
    module_hooks = nn.modules.module
    handles = [
        module_hooks.register_module_forward_pre_hook(
            lambda module, args: names.append(("pre", type(module).__name__))
        ),
        module_hooks.register_module_forward_hook(
            lambda module, args, output: names.append(("post", type(module).__name__))
        ),
        module_hooks.register_module_full_backward_hook(
            lambda module, grad_input, grad_output: names.append(("back", type(module).__name__))
        ),
    ]
    net = nn.Sequential(nn.ReLU())
    try:
        net(torch.ones(1, requires_grad=True)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert names == [
        ("pre", "Sequential"),
        ("pre", "ReLU"),
        ("post", "ReLU"),
        ("post", "Sequential"),
        ("back", "ReLU"),
        ("back", "Sequential"),
    ]
    net(torch.ones(1))
    assert len(names) == 6


def test_slip_register_backward_hook_works_and_warns():
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    seen = []
    net.register_backward_hook(
        lambda module, grad_input, grad_output: seen.append(grad_output[0].tolist())
    )
    with pytest.warns(FutureWarning, match="Please use register_full_backward_hook"):
        net(torch.tensor([1.0, -1.0], requires_grad=True)).sum().backward()
    assert seen == [[1.0, 1.0]]


def make_layer():
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -8, 3, 4], [5, -6, 7, -2], [9, 10, -11, 12]]))
    return layer


def test_prune_l1_masks_the_smallest_and_keeps_them_masked():
    layer = make_layer()
    assert not prune.is_pruned(layer)
    assert prune.l1_unstructured(layer, "weight", amount=3) is layer
    assert prune.is_pruned(layer)
    assert layer.weight_mask.tolist() == [[0, 1, 0, 1], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert sorted(name for name, _ in layer.named_parameters()) == ["bias", "weight_orig"]
    assert [name for name, _ in layer.named_buffers()] == ["weight_mask"]
    assert layer.weight[0].tolist() == [0, -8, 0, 4]
    layer(torch.ones(1, 4)).sum().backward()
    assert layer.weight_orig.grad[0].tolist() == [0, 1, 0, 1]
    assert len(layer._forward_pre_hooks) == 1


def test_prune_remove_makes_it_permanent():
    layer = prune.l1_unstructured(make_layer(), "weight", amount=0.25)
    prune.remove(layer, "weight")
    assert not prune.is_pruned(layer) and not layer._forward_pre_hooks
    assert isinstance(layer.weight, nn.Parameter)
    assert int((layer.weight == 0).sum()) == 3
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(layer, "weight")


def test_prune_structured_random_custom_and_twice():
    rows = prune.ln_structured(make_layer(), "weight", amount=1, n=2, dim=0)
    assert rows.weight_mask.sum(1).tolist() == [0, 4, 4]
    torch.manual_seed(0)
    random = prune.random_unstructured(make_layer(), "weight", amount=0.5)
    assert int(random.weight_mask.sum()) == 6
    mask = torch.tensor([[0, 1, 1, 1]] * 3)
    custom = prune.custom_from_mask(make_layer(), "weight", mask)
    assert custom.weight[:, 0].tolist() == [0, 0, 0]
    prune.l1_unstructured(custom, "weight", amount=1)
    assert int((custom.weight_mask == 0).sum()) == 4
    assert isinstance(
        custom._forward_pre_hooks[next(iter(custom._forward_pre_hooks))], prune.PruningContainer
    )


def test_prune_globally_compares_across_layers():
    small, large = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        small.weight.fill_(0.1)
        large.weight.fill_(1.0)
    prune.global_unstructured(
        [(small, "weight"), (large, "weight")],
        pruning_method=prune.L1Unstructured,
        amount=4,
    )
    assert int(small.weight_mask.sum()) == 0 and int(large.weight_mask.sum()) == 4


def test_prune_custom_method():
    class EveryOther(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = make_layer()
    EveryOther.apply(layer, "bias")
    assert layer.bias_mask.tolist() == [0, 1, 0]


def test_prune_rejects_wrong_amounts():
    with pytest.raises(
        ValueError, match=r"amount=1.5 should either be a float in the range \[0, 1\]"
    ):
        prune.l1_unstructured(make_layer(), "weight", amount=1.5)
