"""`Module` itself: registration, state, hooks, containers, texts and errors."""

from __future__ import annotations

from collections import OrderedDict

from tests.nn.cases import case, outcome, warned

# Constructions whose repr, or error, is compared.
CONSTRUCTIONS = """
nn.MaxPool1d(2)
nn.MaxPool2d((2,3),stride=1,padding=1,return_indices=True)
nn.MaxPool3d(2,ceil_mode=True,dilation=2)
nn.MaxUnpool2d(2)
nn.MaxUnpool1d(2,3,1)
nn.AvgPool1d(3)
nn.AvgPool2d(3,2,1,count_include_pad=False,divisor_override=3)
nn.AvgPool3d((1,2,3))
nn.LPPool1d(2,3)
nn.LPPool2d(2,(3,2),stride=1,ceil_mode=True)
nn.AdaptiveAvgPool2d((5,None))
nn.AdaptiveMaxPool2d((5,None),return_indices=True)
nn.FractionalMaxPool2d(3,output_size=4)
nn.FractionalMaxPool2d(3)
nn.FractionalMaxPool2d(3,output_size=2,output_ratio=.5)
nn.FractionalMaxPool2d(3,output_ratio=1.5)
nn.FractionalMaxPool3d(3)
nn.ReflectionPad1d(2)
nn.ReflectionPad2d((1,2,3,4))
nn.ConstantPad1d(1,3.5)
nn.ZeroPad2d(1)
nn.ConstantPad3d((1,2),2)
nn.CircularPad2d(1)
nn.ReplicationPad3d(3)
nn.Threshold(.1,20)
nn.ReLU(True)
nn.ReLU()
nn.RReLU(inplace=True)
nn.Hardtanh()
nn.Hardtanh(-2,2,True)
nn.Hardtanh(min_value=-3,max_value=4)
nn.Hardtanh(2,1)
nn.ReLU6(True)
nn.Hardsigmoid(True)
nn.SiLU(True)
nn.Mish()
nn.Hardswish()
nn.ELU(2,True)
nn.CELU()
nn.SELU(True)
nn.GLU()
nn.GELU()
nn.GELU('tanh')
nn.Hardshrink()
nn.LeakyReLU(.2,True)
nn.Softplus(2,3)
nn.Softshrink(.3)
nn.PReLU(3,init=.1)
nn.Softmin(1)
nn.Softmax()
nn.Softmax2d()
nn.LogSoftmax(0)
nn.Sigmoid(3,a=2)
nn.Tanh(3)
nn.Linear(2,2,bias=None)
nn.Linear(3,4,False)
nn.Bilinear(1,2,3)
nn.Bilinear(0,1,1)
nn.Identity(3,b=2)
nn.Conv2d(2,3,3,groups=0)
nn.Conv2d(3,3,3,groups=2)
nn.Conv2d(2,3,3,groups=2)
nn.Conv2d(2,3,3,padding='same',stride=2)
nn.Conv2d(2,3,3,padding='same',padding_mode='circular')
nn.Conv2d(2,3,3,dilation=2,padding=(1,2),groups=1,bias=False)
nn.Conv1d(2,3,3)
nn.ConvTranspose2d(2,3,3,padding_mode='reflect')
nn.ConvTranspose1d(2,2,3,output_padding=1,stride=2,dilation=2,groups=2)
nn.LazyConv2d(3,3)
nn.BatchNorm2d(3)
nn.BatchNorm1d(3,affine=False,track_running_stats=False,momentum=None)
nn.BatchNorm1d(3,bias=False)
nn.SyncBatchNorm(3)
nn.InstanceNorm2d(3)
nn.InstanceNorm2d(3,affine=True,bias=False)
nn.LayerNorm([3,4],bias=False)
nn.GroupNorm(2,4)
nn.GroupNorm(3,4)
nn.RMSNorm((3,4),1e-3,False)
nn.LocalResponseNorm(2)
nn.CrossMapLRN2d(3)
nn.LazyBatchNorm2d()
nn.Dropout()
nn.Dropout(2)
nn.Dropout2d(.2,True)
nn.AlphaDropout()
nn.Embedding(3,4)
nn.Embedding(3,4,padding_idx=-1,max_norm=2,norm_type=3,scale_grad_by_freq=True,sparse=True)
nn.Embedding(3,4,padding_idx=9)
nn.EmbeddingBag(3,4,max_norm=1,norm_type=1,mode='sum',scale_grad_by_freq=True,padding_idx=1)
nn.Upsample(size=3)
nn.Upsample(scale_factor=(2,3),mode='bilinear',align_corners=True)
nn.UpsamplingBilinear2d(scale_factor=2)
nn.PixelShuffle(2)
nn.ChannelShuffle(2)
nn.CosineSimilarity()
nn.PairwiseDistance()
nn.Fold(3,2)
nn.Unfold((2,3))
nn.Flatten(0,-2)
nn.Unflatten(1,(2,3))
nn.Unflatten(1,(2,'a'))
nn.Unflatten(1,3)
nn.CrossEntropyLoss()
nn.MultiMarginLoss(p=3)
nn.TripletMarginWithDistanceLoss()
nn.CTCLoss()
nn.AdaptiveLogSoftmaxWithLoss(8,10,[3,5],div_value=2)
nn.AdaptiveLogSoftmaxWithLoss(4,10,[5,3])
nn.LinearCrossEntropyLoss(3,4,out_features=(5,))
nn.LinearCrossEntropyOptions()
nn.LSTM(3,4,2,bias=False,batch_first=True,dropout=.5,bidirectional=True,proj_size=2)
nn.RNNCell(3,4,nonlinearity='relu',bias=False)
nn.GRUCell(3,4)
nn.MultiheadAttention(4,2)
nn.TransformerEncoderLayer(4,2,8)
nn.TransformerDecoderLayer(4,2,8,activation='gelu',norm_first=True)
nn.Transformer(4,2,1,1,8)
nn.DataParallel(nn.Linear(2,2))
nn.ModuleList([nn.Linear(1,1) for _ in range(3)]+[nn.ReLU()])
nn.ModuleDict({'a':nn.ReLU(),'b':nn.Sequential(nn.Tanh(),nn.GELU())})
nn.ModuleList([nn.Sequential(nn.ReLU(),nn.Tanh())]*2)
nn.Sequential([nn.ReLU()])
nn.Sequential(3)
nn.ParameterList([torch.ones(2,2),torch.ones(2).double(),3,(1,2)])
nn.ParameterDict({'a':torch.ones(2,2),'b':3,'c':nn.ReLU()})
nn.Module()
nn.Module(3)
nn.Module(a=3)
""".strip().splitlines()


@case
def texts_of_layers(torch):
    scope = {"nn": torch.nn, "torch": torch}
    return [repr(outcome(lambda: eval(text, scope))) for text in CONSTRUCTIONS]  # noqa: B023, S307


def _net(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(2, 3, 2)
            self.blocks = nn.ModuleList([nn.Linear(2, 2), nn.BatchNorm1d(2)])
            self.scale = nn.Parameter(torch.ones(2))
            self.register_buffer("step", torch.zeros(1))
            self.register_buffer("cache", torch.zeros(2), persistent=False)
            self.tied = self.blocks[0]
            self.none = None

        def forward(self, x):
            return self.blocks[0](x) * self.scale

    return Net()


@case
def walking(torch):
    net = _net(torch)
    return [
        [name for name, _ in net.named_modules()],
        [name for name, _ in net.named_modules(prefix="p", remove_duplicate=False)],
        [type(module).__name__ for module in net.modules()],
        [name for name, _ in net.named_children()],
        [name for name, _ in net.named_parameters()],
        [name for name, _ in net.named_parameters("x", recurse=False)],
        [name for name, _ in net.named_parameters(remove_duplicate=False)],
        [name for name, _ in net.named_buffers()],
        list(net.state_dict()),
        net.state_dict()._metadata,
        list(net.state_dict(prefix="q.")),
        len(list(net.parameters())),
        net.get_submodule("blocks.1") is net.blocks[1],
        net.get_submodule("") is net,
        net.get_parameter("blocks.0.weight") is net.tied.weight,
        net.get_buffer("step"),
        [name for name in dir(net) if name in ("conv", "scale", "step", "cache", "training")],
        repr(net),
        [
            outcome(lambda: net.get_submodule("a.b")),
            outcome(lambda: net.get_submodule("scale")),
            outcome(lambda: net.get_parameter("conv.x")),
            outcome(lambda: net.get_parameter("conv.forward")),
            outcome(lambda: net.get_buffer("scale")),
        ],
    ]


@case
def registration_errors(torch):
    nn = torch.nn
    module = nn.Module()
    module.l, module.p = nn.Linear(2, 2), nn.Parameter(torch.ones(2))
    module.register_buffer("b", torch.ones(2))

    class Forgets(nn.Module):
        def __init__(self, value):
            self.value = value

    def assign(name, value):
        return lambda: setattr(module, name, value)

    results = [
        outcome(lambda: Forgets(nn.Linear(1, 1))),
        outcome(lambda: Forgets(nn.Parameter(torch.ones(1)))),
        outcome(lambda: Forgets(3).missing),
        outcome(assign("l", 3)),
        outcome(assign("p", 3)),
        outcome(assign("b", 3)),
        outcome(assign("p", torch.ones(2))),
        outcome(lambda: module.nothing),
        outcome(lambda: delattr(module, "nothing")),
        outcome(lambda: module(1)),
        outcome(lambda: nn.ModuleList([])(1)),
        outcome(lambda: nn.ParameterList([])(1)),
        outcome(lambda: module.train("a")),
        outcome(lambda: module.to(torch.int64)),
        outcome(lambda: module.get_extra_state()),
        outcome(lambda: module.set_submodule("", nn.Linear(1, 1))),
        outcome(lambda: module.set_submodule("new", nn.ReLU())),
        outcome(lambda: module.set_submodule("l", 3)),
        outcome(lambda: module.set_submodule("absent", nn.ReLU(), strict=True)),
    ]
    values = [("a.b", None), ("", None), (3, None), ("forward", None), ("q", 3)]
    values += [("r", torch.ones(2)), ("s", torch.ones(2, requires_grad=True) * 2)]
    for name, value in values:
        results.append(outcome(lambda: module.register_parameter(name, value)))  # noqa: B023
        results.append(outcome(lambda: module.register_module(name, value)))  # noqa: B023
        results.append(outcome(lambda: module.register_buffer(name, value)))  # noqa: B023
    module.l = None
    return results + [repr(module), sorted(module._parameters), sorted(module._buffers)]


@case
def attributes_move_between_tables(torch):
    nn = torch.nn
    module, log = nn.Module(), []

    def note():
        tables = (module._parameters, module._buffers, module._modules)
        log.append([sorted(table) for table in tables] + ["x" in module.__dict__])

    module.x = 3
    note()
    module.x = nn.Parameter(torch.ones(1))
    note()
    module.x = None
    note()
    del module.x
    module.register_buffer("x", torch.ones(1), persistent=False)
    note()
    module.x = torch.zeros(2)
    note()
    module.x = nn.Parameter(torch.ones(1))
    note()
    log.append(outcome(lambda: setattr(module, "x", nn.Linear(1, 1))))
    del module.x
    module.x = nn.Linear(1, 1)
    note()
    log.append(outcome(lambda: setattr(module, "x", nn.Buffer(torch.ones(3)))))
    del module.x
    module.x = nn.Buffer(torch.ones(3), persistent=False)
    note()
    log.append([list(module.state_dict()), sorted(module._non_persistent_buffers_set)])
    log.append([isinstance(module.x, nn.Buffer), isinstance(torch.ones(1), nn.Buffer)])
    return log


@case
def loading_state(torch):
    nn = torch.nn
    source, net = _net(torch), _net(torch)
    state = source.state_dict()
    results = [str(net.load_state_dict(state)), net.blocks[0].weight]
    wrong = OrderedDict(state)
    wrong["conv.weight"] = torch.ones(3, 3)
    wrong["extra"] = torch.ones(1)
    wrong["conv.extra"] = torch.ones(1)
    wrong["blocks.7.weight"] = torch.ones(1)
    wrong["scale"] = 5
    del wrong["step"]
    results += [
        outcome(lambda: net.load_state_dict(wrong)),
        outcome(lambda: net.load_state_dict(wrong, strict=False)),
        outcome(lambda: net.load_state_dict(3)),
        outcome(lambda: net.load_state_dict({})),
        outcome(lambda: net.load_state_dict({}, strict=False)),
    ]
    before = net.scale
    given = torch.full((2,), 7.0)
    net.load_state_dict({"scale": given}, strict=False, assign=True)
    results += [net.scale is before, type(net.scale).__name__, net.scale.requires_grad, net.scale]
    given[0] = 9.0
    results += [net.scale]
    old = nn.BatchNorm1d(2).state_dict()
    del old["num_batches_tracked"]
    old._metadata[""]["version"] = 1
    results.append(str(nn.BatchNorm1d(2).load_state_dict(old)))
    results.append(outcome(lambda: nn.BatchNorm1d(2).load_state_dict(dict(old))))
    scalar = nn.Module()
    scalar.p = nn.Parameter(torch.tensor(1.0))
    scalar.load_state_dict({"p": torch.tensor([3.0])})
    return results + [scalar.p]


@case
def extra_state_and_state_hooks(torch):
    nn, log = torch.nn, []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 3
            self.inner = nn.Linear(1, 1)

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    module = Counting()
    module.register_state_dict_pre_hook(lambda m, prefix, keep: log.append(["pre", prefix, keep]))
    module.register_state_dict_post_hook(
        lambda m, state, prefix, meta: log.append(["post", list(state), prefix, dict(meta)])
    )
    module.inner._register_state_dict_hook(
        lambda m, state, prefix, meta: log.append(["inner", list(state), prefix])
    )
    module.register_load_state_dict_pre_hook(
        lambda m, state, prefix, *rest: log.append(["load", m is module, list(state), prefix])
    )
    module.register_load_state_dict_post_hook(
        lambda m, keys: log.append(["loaded", list(keys.missing_keys), list(keys.unexpected_keys)])
    )
    state = module.state_dict()
    state["_extra_state"] = {"count": 8}
    log.append(outcome(lambda: module.load_state_dict(state)))
    log.append(module.count)
    del state["_extra_state"]
    log.append(outcome(lambda: module.load_state_dict(state)))
    log.append(outcome(lambda: nn.Module().load_state_dict({"_extra_state": 1})))
    module.register_state_dict_post_hook(lambda *a: 1)
    log.append(outcome(lambda: module.state_dict()))
    module.register_load_state_dict_post_hook(lambda *a: 1)
    log.append(outcome(lambda: module.load_state_dict(state, strict=False)))
    return log + [warned(lambda: list(nn.Linear(1, 1).state_dict(None, "p.", False)))]


@case
def conversions(torch):
    net = _net(torch)
    log = []

    def dtypes():
        log.append([str(t.dtype) for t in list(net.parameters()) + list(net.buffers())])

    net(torch.ones(1, 2)).sum().backward()
    weight = net.scale
    net.double()
    dtypes()
    log.append([net.scale is weight, str(net.scale.grad.dtype), net.scale.is_leaf])
    log.append(net(torch.ones(1, 2, dtype=torch.float64)))
    for change in (
        lambda: net.half(),
        lambda: net.float(),
        lambda: net.bfloat16(),
        lambda: net.to(torch.float64),
        lambda: net.to("cpu"),
        lambda: net.to(torch.device("cpu"), torch.float32),
        lambda: net.to(torch.ones(1, dtype=torch.float64)),
        lambda: net.to(device="cpu", dtype=torch.float32, non_blocking=True),
        lambda: net.type(torch.float64),
        lambda: net.to_empty(device="cpu"),
        lambda: net.float().cpu().share_memory(),
    ):
        log.append(change() is net)
        dtypes()
    net.requires_grad_(False)
    log.append([p.requires_grad for p in net.parameters()])
    return log


@case
def training_flags_and_gradients(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout()))
    log = [net.training, net.eval() is net, net[1][0].training, net.train()[1][0].training]
    net[0](torch.ones(1, 2)).sum().backward()
    log.append(net[0].weight.grad)
    net.zero_grad(set_to_none=False)
    log.append(net[0].weight.grad)
    net.zero_grad()
    log.append(net[0].weight.grad is None)
    order = []
    net.apply(lambda m: order.append(type(m).__name__))
    return log + [order]


@case
def forward_hooks(torch):
    nn, log = torch.nn, []

    class Scale(nn.Module):
        def forward(self, x, factor=1.0):
            return x * factor

    layer, x = Scale(), torch.tensor([1.0, 2.0])
    first = layer.register_forward_pre_hook(lambda m, args: log.append(["a", len(args)]))
    layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,), prepend=True)
    layer.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"factor": kwargs["factor"] * 2}), with_kwargs=True
    )
    layer.register_forward_hook(lambda m, args, out: log.append(["out", args[0], out]))
    layer.register_forward_hook(
        lambda m, args, kwargs, out: out + kwargs["factor"], with_kwargs=True, prepend=True
    )
    log.append(layer(x, factor=3.0))
    first.remove()
    with layer.register_forward_hook(lambda *a: torch.zeros(1)):
        log.append(layer(x, factor=1.0))
    log.append(layer(x, factor=1.0))
    log.append([len(layer._forward_hooks), len(layer._forward_pre_hooks)])
    bad = Scale()
    bad.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    log.append(outcome(lambda: bad(x)))

    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    failing = Fails()
    failing.register_forward_hook(lambda *a: log.append("never"))
    failing.register_forward_hook(lambda m, a, out: log.append(["always", out]), always_call=True)
    log.append(outcome(lambda: failing(x)))
    return log


@case
def backward_hooks(torch):
    nn, log = torch.nn, []
    layer = nn.Linear(2, 3)
    x = torch.ones(1, 2, requires_grad=True)
    layer.register_full_backward_pre_hook(lambda m, out: log.append(["pre", out]))
    layer.register_full_backward_hook(lambda m, inp, out: log.append(["full", inp, out]))
    doubled = layer.register_full_backward_hook(lambda m, inp, out: (inp[0] * 2,))
    layer(x).sum().backward()
    log.append(x.grad)
    doubled.remove()
    layer(torch.ones(1, 2)).sum().backward()
    layer.register_full_backward_hook(lambda m, inp, out: (None,) * 5)
    log.append(outcome(lambda: layer(x).sum().backward()))

    class Two(nn.Module):
        def forward(self, a, b, c):
            return a * c, b + 1

    two = Two()
    two.register_full_backward_pre_hook(lambda m, out: (out[0] * 3, out[1]))
    two.register_full_backward_hook(lambda m, inp, out: log.append([inp, out]))
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    left, right = two(a, b, 5.0)
    (left.sum() + right.sum()).backward()
    log.append([a.grad, b.grad])
    old = nn.Linear(2, 1, bias=False)
    old.register_backward_hook(lambda m, inp, out: log.append(["old", len(inp), out]))
    log.append(outcome(lambda: old.register_full_backward_hook(print)))
    log.append(warned(lambda: old(x.detach()).sum().backward())[1])
    return log


@case
def global_hooks(torch):
    nn, log = torch.nn, []
    everywhere = nn.modules.module
    handles = [
        everywhere.register_module_forward_pre_hook(lambda m, a: log.append(["pre", repr(m)])),
        everywhere.register_module_forward_hook(lambda m, a, o: log.append(["out", repr(m)])),
        everywhere.register_module_full_backward_pre_hook(
            lambda m, out: log.append(["before", repr(m)])
        ),
        everywhere.register_module_full_backward_hook(
            lambda m, inp, out: log.append(["back", repr(m)])
        ),
        everywhere.register_module_parameter_registration_hook(
            lambda m, name, p: log.append(["parameter", name])
        ),
        everywhere.register_module_buffer_registration_hook(
            lambda m, name, b: log.append(["buffer", name])
        ),
        everywhere.register_module_module_registration_hook(
            lambda m, name, c: log.append(["module", name])
        ),
    ]
    try:
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        net(torch.randn(3, 2, requires_grad=True)).sum().backward()
        log.append(outcome(lambda: everywhere.register_module_backward_hook(print)))
    finally:
        for handle in handles:
            handle.remove()
    net(torch.randn(3, 2))
    return log


@case
def sequential(torch):
    nn = torch.nn
    s = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Linear(1, 1))

    def put(index, value):
        return lambda: s.__setitem__(index, value)

    calls = [
        lambda: s[5],
        lambda: s["a"],
        lambda: s[-4],
        lambda: s[1:],
        lambda: s + 3,
        lambda: s + nn.Sequential(nn.GELU()),
        lambda: s * 2,
        lambda: s * 0,
        lambda: s * 1.5,
        lambda: 2 * s,
        lambda: s.insert(1, nn.GELU()),
        lambda: s.insert(9, nn.GELU()),
        lambda: s.pop(1),
        lambda: s.pop("x"),
        lambda: s.extend([nn.SiLU()]),
        lambda: s.append(3),
        lambda: s.__delitem__(0),
        lambda: s.__delitem__(slice(0, 1)),
        put(0, nn.SELU()),
        put(7, nn.SiLU()),
        lambda: s.__iadd__(nn.Sequential(nn.ReLU())),
        lambda: s.__imul__(2),
        lambda: nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh())),
        lambda: len(s),
        lambda: [type(m).__name__ for m in s],
    ]
    return [repr(outcome(call)) for call in calls]


@case
def module_lists_and_dicts(torch):
    nn = torch.nn
    items = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)] + [nn.ReLU()])
    named = nn.ModuleDict({"a": nn.ReLU()})
    calls = [
        lambda: items[9],
        lambda: items[-1],
        lambda: items["a"],
        lambda: items[1:],
        lambda: items + [nn.ReLU()],
        lambda: items.append(3),
        lambda: items.extend(3),
        lambda: items.insert(0, nn.ReLU()),
        lambda: items.pop(0),
        lambda: items.__delitem__(0),
        lambda: items.__delitem__(slice(0, 2)),
        lambda: items.__setitem__(0, nn.GELU()),
        lambda: items.__iadd__([nn.ReLU()]),
        lambda: nn.ModuleList([3]),
        lambda: named["b"],
        lambda: named.__setitem__("b", 3),
        lambda: named.update(3),
        lambda: named.update([("q", nn.ReLU())]),
        lambda: named.update([("q", nn.ReLU(), 3)]),
        lambda: named.update([3]),
        lambda: (named.keys(), named.items(), "q" in named, len(named), list(named)),
        lambda: nn.ModuleDict({"type": nn.ReLU()}),
        lambda: named.__setitem__("a.b", nn.ReLU()),
        lambda: named.pop("q"),
        lambda: named.pop("zz"),
        lambda: named.clear(),
        lambda: named,
    ]
    return [repr(outcome(call)) for call in calls]


@case
def parameter_containers(torch):
    nn = torch.nn
    p = nn.ParameterList([nn.Parameter(torch.ones(2, 2)), torch.ones(2), 3])
    q = nn.ParameterDict({"a": nn.Parameter(torch.ones(2, 2)), "b": torch.ones(2), "c": 3})
    calls = [
        lambda: p[1],
        lambda: p[9],
        lambda: p[1:],
        lambda: p.extend(3),
        lambda: p.extend(torch.ones(2)),
        lambda: p.append(3),
        lambda: list(p.state_dict()),
        lambda: p["a"],
        lambda: nn.ParameterList([nn.ReLU()]),
        lambda: len(p),
        lambda: p.__iadd__([1]),
        lambda: [name for name, _ in p.named_parameters()],
        lambda: q["z"],
        lambda: q.pop("c"),
        lambda: q.keys(),
        lambda: list(q.items()),
        lambda: list(q.values()),
        lambda: q.get("z", 5),
        lambda: q.setdefault("k", 4),
        lambda: q | {"x": 1},
        lambda: {"x": 1} | nn.ParameterDict({"y": 2}),
        lambda: q.fromkeys(["a", "b"], 1),
        lambda: q.popitem(),
        lambda: q.copy(),
        lambda: list(reversed(q)),
        lambda: q.update(3),
        lambda: q.update([3]),
        lambda: q.update([("u", 2, 3)]),
        lambda: "a" in q,
        lambda: nn.ParameterDict({"b": 1, "a": 2}).keys(),
        lambda: nn.ParameterDict({"b.c": torch.ones(1)}),
        lambda: q.clear(),
        lambda: q,
    ]
    return [repr(outcome(call)) for call in calls]


@case
def copies(torch):
    import copy
    import io
    import pickle

    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    net.register_forward_hook(_hook)
    twin = copy.deepcopy(net)
    again = pickle.load(io.BytesIO(pickle.dumps(net)))
    x = torch.randn(3, 2)
    with torch.no_grad():
        twin[0].weight.add_(1)
    return [net(x), twin(x), again(x), again.training, repr(again), len(again._forward_hooks)]


def _hook(module, args, output):
    return output + 1


@case
def data_parallel(torch):
    nn = torch.nn
    net = nn.DataParallel(nn.Linear(2, 2))
    x = torch.ones(1, 2)
    return [
        list(net.state_dict()),
        net(x),
        net.module(x),
        [name for name, _ in net.named_modules()],
    ]


@case
def subclassing_several_bases(torch):
    nn = torch.nn

    class Named:
        def __init__(self, name="x", **rest):
            self.name = name
            super().__init__(**rest)

    class Both(nn.Module, Named):
        call_super_init = True

    class Plain(Named, nn.Module):
        pass

    return [Both(name="q").name, Plain().name, Plain().training, outcome(lambda: Both(bad=1))]
