"""`nn.init` and `nn.utils`: starting values, clipping, packing, pruning, normalised weights."""

from __future__ import annotations

import importlib

from tests.nn.cases import case, outcome, warned


@case
def starting_values(torch):
    init = torch.nn.init
    fills = [
        lambda t: init.uniform_(t, -1, 2),
        lambda t: init.normal_(t, 1.0, 0.5),
        lambda t: init.trunc_normal_(t, 0.1, 0.7, -0.5, 0.5),
        lambda t: init.constant_(t, 0.3),
        lambda t: init.xavier_uniform_(t, 1.5),
        lambda t: init.xavier_normal_(t),
        lambda t: init.kaiming_uniform_(t, 0.2, "fan_out"),
        lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        lambda t: init.ones_(t),
        lambda t: init.zeros_(t),
    ]
    results = [fill(torch.empty(4, 6)) for fill in fills]
    results += [fill(torch.empty(3, 2, 5, 5)) for fill in fills[4:8]]
    results += [
        init.eye_(torch.empty(3, 5)),
        init.dirac_(torch.empty(6, 2, 3, 3), 2),
        init.sparse_(torch.empty(5, 3), 0.4),
        init.orthogonal_(torch.empty(3, 5)),
        init.orthogonal_(torch.empty(5, 2, 2), gain=2.0),
    ]
    return results


@case
def starting_value_errors(torch):
    init = torch.nn.init
    names = ("linear", "conv2d", "tanh", "relu", "leaky_relu", "selu", "sigmoid")
    calls = [
        lambda: init.calculate_gain("zz"),
        lambda: init.calculate_gain("leaky_relu", "a"),
        lambda: init.calculate_gain("leaky_relu", 0.3),
        lambda: init.eye_(torch.empty(2)),
        lambda: init.dirac_(torch.empty(3, 3, 3), groups=2),
        lambda: init.dirac_(torch.empty(3, 3)),
        lambda: init.xavier_uniform_(torch.empty(3)),
        lambda: init.kaiming_uniform_(torch.ones(2, 2), mode="X"),
        lambda: init.kaiming_uniform_(torch.empty(0, 2)).shape,
        lambda: init.sparse_(torch.ones(2), 0.5),
        lambda: init.orthogonal_(torch.ones(2)),
        lambda: init.xavier_uniform(torch.ones(2, 2)).shape,
    ]
    return [init.calculate_gain(name) for name in names] + [warned(call) for call in calls]


def _parameters(torch):
    values = [torch.tensor([3.0, -4.0]), torch.tensor([[12.0]]), torch.ones(2)]
    parameters = [torch.nn.Parameter(torch.zeros_like(v)) for v in values]
    for parameter, value in zip(parameters[:2], values):
        parameter.grad = value
    return parameters


@case
def clipping(torch):
    utils = torch.nn.utils
    results = []
    for norm, kind in ((1.0, 2.0), (5.0, 1.0), (5.0, float("inf")), (100.0, 2.0)):
        parameters = _parameters(torch)
        results.append(utils.clip_grad_norm_(parameters, norm, norm_type=kind))
        results.append([p.grad for p in parameters[:2]])
    parameters = _parameters(torch)
    utils.clip_grad_value_(parameters, 3.5)
    results.append([p.grad for p in parameters[:2]])
    results.append(utils.get_total_norm([p.grad for p in parameters[:2]]))
    utils.clip_grads_with_norm_(parameters, 1.0, torch.tensor(10.0))
    results.append([p.grad for p in parameters[:2]])
    parameters[0].grad[0] = float("nan")
    results.append(outcome(lambda: utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)))
    results.append(warned(lambda: utils.clip_grad_norm_((p for p in ()), 1.0)))
    results.append(utils.clip_grad_norm_(parameters[1], 1.0))
    return results


@case
def vectors_of_parameters(torch):
    utils, net = torch.nn.utils, torch.nn.Linear(2, 3)
    vector = utils.parameters_to_vector(net.parameters())
    utils.vector_to_parameters(vector.detach() * 2, net.parameters())
    return [
        vector,
        net.weight,
        net.bias,
        outcome(lambda: utils.vector_to_parameters([1.0], net.parameters())),
    ]


@case
def packing(torch):
    rnn = torch.nn.utils.rnn
    x = torch.arange(30.0).reshape(5, 2, 3)
    packed = rnn.pack_padded_sequence(x, [2, 5], enforce_sorted=False)
    ragged = [torch.ones(2), torch.ones(3) * 2]
    results = [
        list(packed),
        rnn.pad_packed_sequence(packed),
        rnn.pad_packed_sequence(packed, batch_first=True, padding_value=9.0, total_length=7),
        rnn.pad_sequence(ragged),
        rnn.pad_sequence(ragged, batch_first=True, padding_value=-1.0, padding_side="left"),
        list(rnn.pack_sequence(ragged[::-1])),
        rnn.unpack_sequence(packed),
        rnn.unpad_sequence(torch.ones(3, 2), torch.tensor([3, 1])),
        packed.double().data,
        packed.to("cpu") is packed,
        rnn.invert_permutation(torch.tensor([2, 0, 1])),
        repr(packed),
    ]
    calls = [
        lambda: rnn.pack_padded_sequence(x, [2, 5]),
        lambda: rnn.pack_padded_sequence(x, [5, 0]),
        lambda: rnn.pack_padded_sequence(x, [5]),
        lambda: rnn.pack_padded_sequence(x, torch.tensor([[5, 2]])),
        lambda: rnn.pad_packed_sequence(packed, total_length=3),
        lambda: rnn.pad_sequence(ragged, padding_side="x"),
        lambda: rnn.pad_sequence(3),
        lambda: rnn.pad_sequence([]),
        lambda: rnn.pack_sequence(ragged),
    ]
    return results + [outcome(call) for call in calls]


def _prune(torch):
    return importlib.import_module(f"{torch.__name__}.nn.utils.prune")


@case
def pruning(torch):
    nn, prune = torch.nn, _prune(torch)
    results = []

    def show(module):
        results.append([sorted(module._parameters), sorted(module._buffers), module.state_dict()])
        results.append([module.weight, prune.is_pruned(module)])

    methods = [
        lambda m: prune.random_unstructured(m, "weight", 0.3),
        lambda m: prune.l1_unstructured(m, "weight", 5),
        lambda m: prune.random_structured(m, "weight", 2, dim=0),
        lambda m: prune.ln_structured(m, "weight", 0.5, n=2, dim=1),
        lambda m: prune.ln_structured(m, "weight", 1, n=float("-inf"), dim=0),
        lambda m: prune.identity(m, "weight"),
        lambda m: prune.custom_from_mask(m, "weight", torch.eye(4, 6)),
        lambda m: prune.l1_unstructured(m, "weight", 4, importance_scores=torch.rand(4, 6)),
    ]
    for method in methods:
        module = nn.Linear(6, 4)
        results.append(method(module) is module)
        show(module)
        module(torch.ones(1, 6)).sum().backward()
        results.append(module.weight_orig.grad)
    # Several prunings of one parameter, then none.
    prune.l1_unstructured(module, "weight", 0.5)
    prune.ln_structured(module, "weight", 0.5, n=1, dim=0)
    show(module)
    hooks = list(module._forward_pre_hooks.values())
    results.append([type(hook).__name__ for hook in hooks] + [len(hooks[0])])
    prune.remove(module, "weight")
    show(module)
    return results


@case
def pruning_globally(torch):
    nn, prune = torch.nn, _prune(torch)
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    chosen = [(net[0], "weight"), (net[2], "weight")]
    prune.global_unstructured(chosen, pruning_method=prune.L1Unstructured, amount=0.4)
    once = [net[0].weight_mask.clone(), net[2].weight_mask.clone()]
    prune.global_unstructured(chosen, pruning_method=prune.RandomUnstructured, amount=3)
    return [once, net.state_dict(), prune.is_pruned(net), net(torch.ones(1, 4))]


@case
def pruning_errors(torch):
    nn, prune = torch.nn, _prune(torch)
    layer = nn.Linear(3, 2)
    calls = [
        lambda: prune.remove(layer, "weight"),
        lambda: prune.l1_unstructured(layer, "weight", 1.5),
        lambda: prune.l1_unstructured(layer, "weight", -1),
        lambda: prune.l1_unstructured(layer, "weight", "a"),
        lambda: prune.l1_unstructured(layer, "weight", 100),
        lambda: prune.ln_structured(layer, "bias", 0.5, n=2, dim=0),
        lambda: prune.ln_structured(layer, "weight", 0.5, n=2, dim=5),
        lambda: prune.random_structured(layer, "weight", 9, dim=0),
        lambda: prune.global_unstructured([(layer, "weight")], prune.LnStructured, amount=1, n=2),
        lambda: prune.is_pruned(layer),
        lambda: sorted(layer._parameters),
    ]
    return [outcome(call) for call in calls]


@case
def functional_calls(torch):
    nn = torch.nn
    call = nn.utils.stateless.functional_call
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    x = torch.randn(3, 2)
    weight = torch.ones(2, 2, requires_grad=True)
    before = net[0].weight
    output = call(net.eval(), {"0.weight": weight}, (x,))
    output.sum().backward()
    tied = nn.Module()
    tied.a = nn.Linear(1, 1, bias=False)
    tied.b = tied.a
    tied.forward = lambda x: tied.b(x) + tied.a(x)
    three = torch.full((1, 1), 3.0)
    return [
        output,
        weight.grad,
        net[0].weight is before,
        call(tied, {"a.weight": three}, torch.ones(1, 1)),
        outcome(lambda: call(net, {"zz": weight}, x)),
        outcome(lambda: call(net, {"zz": weight}, x, strict=True)),
    ]


@case
def fusing(torch):
    nn = torch.nn
    conv, norm = nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)
    norm(torch.randn(4, 3, 5, 5))
    x = torch.randn(2, 2, 5, 5)
    results = [outcome(lambda: nn.utils.fuse_conv_bn_eval(conv, norm))]
    fused = nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
    results += [fused.state_dict(), fused(x) - norm(conv(x))]
    linear, row_norm = nn.Linear(4, 3).eval(), nn.BatchNorm1d(3).eval()
    fused = nn.utils.fuse_linear_bn_eval(linear, row_norm)
    return results + [fused(torch.ones(2, 4)), [p.requires_grad for p in fused.parameters()]]


@case
def normalised_weights(torch):
    nn, utils = torch.nn, torch.nn.utils
    results = []
    for dim in (0, 1, None):
        layer = utils.weight_norm(nn.Linear(3, 4), dim=dim)
        results.append([layer.state_dict(), layer.weight])
        layer(torch.ones(1, 3)).sum().backward()
        results.append([layer.weight_g.grad, layer.weight_v.grad])
        utils.remove_weight_norm(layer)
        results.append(layer.state_dict())
    layer = utils.spectral_norm(nn.Conv2d(2, 3, 3), n_power_iterations=2)
    results.append(layer.state_dict())
    layer(torch.ones(1, 2, 5, 5)).sum().backward()
    results += [layer.weight, layer.weight_u, layer.weight_orig.grad]
    other = utils.spectral_norm(nn.Conv2d(2, 3, 3))
    other.load_state_dict(layer.state_dict())
    results.append(other.eval()(torch.ones(1, 2, 5, 5)))
    utils.remove_spectral_norm(layer)
    results.append([layer.state_dict(), len(layer._forward_pre_hooks)])
    results += [
        outcome(lambda: utils.remove_spectral_norm(layer)),
        outcome(lambda: utils.remove_weight_norm(layer)),
        outcome(lambda: utils.spectral_norm(utils.spectral_norm(nn.Linear(2, 2)))),
    ]
    return results


@case
def skipping_initialisation(torch):
    nn = torch.nn
    layer = nn.utils.skip_init(nn.Linear, 3, 4)
    return [
        list(layer.weight.shape),
        torch.rand(3),
        outcome(lambda: nn.utils.skip_init(nn.ReLU)),
    ]


@case
def functional_call_of_func(torch):
    call = importlib.import_module(f"{torch.__name__}.func").functional_call
    net = torch.nn.Linear(2, 1)
    x = torch.ones(1, 2)
    parts = ({"weight": torch.full((1, 2), 2.0)}, {"bias": torch.ones(1)})
    return [
        call(net, parts, (x,)),
        call(net, parts[0], x),
        outcome(lambda: call(net, (parts[0], parts[0]), x)),
        outcome(lambda: call(net, 3, x)),
        outcome(lambda: call(net, [3], x)),
    ]


@case
def gradients_of_convolutions(torch):
    grad = importlib.import_module(f"{torch.__name__}.nn.grad")
    results = []
    for dimensions in (1, 2, 3):
        x = torch.randn(2, 4, *(6, 5, 4)[:dimensions])
        weight = torch.randn(6, 2, *(3, 2, 2)[:dimensions])
        settings = {"stride": 2, "padding": 1, "groups": 2}
        output = getattr(torch.nn.functional, f"conv{dimensions}d")(x, weight, **settings)
        by_input = getattr(grad, f"conv{dimensions}d_input")
        by_weight = getattr(grad, f"conv{dimensions}d_weight")
        results.append(by_input(x.shape, weight, output, **settings))
        results.append(by_weight(x, weight.shape, output, **settings))
    return results
