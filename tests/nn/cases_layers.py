"""Layers that PyTorch's module tests do not call, and functional forms."""

from __future__ import annotations

from tests.nn.cases import case, outcome, warned, with_gradients


@case
def shaping_layers(torch):
    nn = torch.nn
    x = torch.randn(2, 8, 4, 6)
    layers = [
        nn.PixelShuffle(2),
        nn.PixelUnshuffle(2),
        nn.ChannelShuffle(4),
        nn.Flatten(),
        nn.Flatten(0, 2),
        nn.Unflatten(1, (2, 4)),
        nn.Unfold((2, 3), dilation=1, padding=1, stride=2),
        nn.Identity(5, a=1),
    ]
    return [with_gradients(torch, layer, x.clone()) for layer in layers] + [
        with_gradients(torch, nn.Fold((4, 5), (2, 2)), torch.randn(2, 12, 12))
    ]


@case
def upsampling_layers(torch):
    nn = torch.nn
    x = torch.randn(2, 3, 4, 5)
    layers = [
        nn.Upsample(scale_factor=2),
        nn.Upsample(size=(7, 3), mode="bilinear"),
        nn.Upsample(scale_factor=(1.5, 2), mode="bicubic", align_corners=True),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.UpsamplingBilinear2d(size=(5, 9)),
    ]
    return [with_gradients(torch, layer, x.clone()) for layer in layers]


@case
def unpooling_layers(torch):
    nn, results = torch.nn, []
    for dimensions in (1, 2, 3):
        x = torch.randn(2, 3, *(6, 4, 4)[:dimensions])
        pool = getattr(nn, f"MaxPool{dimensions}d")(2, stride=2, return_indices=True)
        unpool = getattr(nn, f"MaxUnpool{dimensions}d")(2, stride=2)
        pooled, indices = pool(x)
        results.append([indices, with_gradients(torch, unpool, pooled.detach(), indices)])
        results.append(unpool(pooled.detach(), indices, output_size=x.size()))
        results.append(outcome(lambda: unpool(pooled, indices, output_size=(99,))))  # noqa: B023
    return results


@case
def fractional_pooling_with_given_samples(torch):
    nn = torch.nn
    flat = nn.FractionalMaxPool2d(
        2, output_size=(3, 3), return_indices=True, _random_samples=torch.rand(2, 3, 2)
    )
    deep = nn.FractionalMaxPool3d(2, output_ratio=0.5, _random_samples=torch.rand(2, 3, 3))
    return [
        with_gradients(torch, flat, torch.randn(2, 3, 7, 6)),
        with_gradients(torch, deep, torch.randn(2, 3, 6, 6, 6)),
    ]


@case
def embedding_bags(torch):
    nn, results = torch.nn, []
    indices = torch.tensor([1, 2, 4, 5, 4, 3, 2, 9])
    offsets = torch.tensor([0, 4, 4])
    for mode in ("sum", "mean", "max"):
        torch.manual_seed(1)
        bag = nn.EmbeddingBag(10, 3, mode=mode)
        results.append(with_gradients(torch, bag, indices, offsets))
        results.append(bag(indices.reshape(2, 4)))
        padded = nn.EmbeddingBag(10, 3, mode=mode, padding_idx=4)
        results.append(with_gradients(torch, padded, indices, offsets))
        last = nn.EmbeddingBag(10, 3, mode=mode, include_last_offset=True)
        results.append(last(indices, torch.tensor([0, 4, 8])))
    weighted = nn.EmbeddingBag(10, 3, mode="sum")
    results.append(weighted(indices, offsets, torch.linspace(0, 1, 8)))
    table = torch.arange(6.0).reshape(3, 2)
    results.append(nn.EmbeddingBag.from_pretrained(table)(torch.tensor([[0, 2]])))
    return results


@case
def embedding_bag_errors(torch):
    F = torch.nn.functional
    table, index = torch.randn(3, 4), torch.tensor([1, 2])
    zero = torch.tensor([0])
    calls = [
        lambda: F.embedding_bag(index, table),
        lambda: F.embedding_bag(index[None], table, zero),
        lambda: F.embedding_bag(index, table, torch.tensor([1])),
        lambda: F.embedding_bag(index, table, zero, mode="x"),
        lambda: F.embedding_bag(index, table, torch.tensor([0, 5])),
        lambda: F.embedding_bag(index, table, zero[None]),
        lambda: F.embedding_bag(torch.tensor(1), table),
        lambda: F.embedding_bag(index, table, zero, mode="max", scale_grad_by_freq=True),
        lambda: F.embedding_bag(index, table, zero, padding_idx=7),
        lambda: F.embedding_bag(index, table, zero, per_sample_weights=torch.tensor([1.0, 2.0])),
    ]
    return [str(outcome(call)).splitlines()[0] for call in calls]


@case
def embeddings(torch):
    nn = torch.nn
    layer = nn.Embedding(6, 3, padding_idx=2, scale_grad_by_freq=True)
    index = torch.tensor([[1, 2, 2], [4, 1, 5]])
    limited = nn.Embedding(4, 3, max_norm=1.0)
    frozen = nn.Embedding.from_pretrained(torch.ones(2, 3))
    return [
        layer.weight,
        with_gradients(torch, layer, index),
        limited(torch.tensor([0, 2])),
        limited.weight,
        frozen.weight.requires_grad,
        outcome(lambda: nn.Embedding.from_pretrained(torch.ones(3))),
        outcome(lambda: nn.Embedding(3, 2, _weight=torch.ones(2, 2))),
    ]


@case
def distances(torch):
    nn, F = torch.nn, torch.nn.functional
    x, y = torch.randn(4, 5), torch.randn(4, 5)
    return [
        with_gradients(torch, nn.PairwiseDistance(), x.clone(), y.clone()),
        with_gradients(torch, nn.PairwiseDistance(p=1, keepdim=True), x.clone(), y.clone()),
        with_gradients(torch, nn.CosineSimilarity(), x.clone(), y.clone()),
        with_gradients(torch, nn.CosineSimilarity(dim=0, eps=2.0), x.clone(), y.clone()),
        F.cosine_similarity(x, torch.zeros(4, 5)),
        F.normalize(x, p=3.0, dim=0),
        outcome(lambda: F.cosine_similarity(torch.tensor([1, 2]), torch.tensor([1, 2]), 0)),
        outcome(lambda: F.cosine_similarity(x, y[:2])),
        outcome(lambda: F.normalize(x, dim=5)),
    ]


@case
def losses_not_in_the_module_tests(torch):
    nn = torch.nn
    x, y, z = torch.randn(4, 5), torch.randn(4, 5), torch.randn(4, 5)
    sign = torch.tensor([[1.0, -1, 1, 1, -1]]).expand(4, 5)

    def manhattan(a, b):
        return (a - b).abs().sum(-1)

    return [
        nn.SoftMarginLoss()(x, sign),
        with_gradients(torch, nn.TripletMarginLoss(), x.clone(), y.clone(), z.clone()),
        with_gradients(
            torch, nn.TripletMarginLoss(p=1, swap=True), x.clone(), y.clone(), z.clone()
        ),
        with_gradients(
            torch,
            nn.TripletMarginWithDistanceLoss(distance_function=manhattan, margin=2.0, swap=True),
            x.clone(),
            y.clone(),
            z.clone(),
        ),
        nn.TripletMarginWithDistanceLoss(reduction="none")(x, y, z),
        nn.NLLLoss2d()(torch.randn(2, 3, 4, 4), torch.ones(2, 4, 4, dtype=torch.long)),
    ]


@case
def loss_errors_and_warnings(torch):
    F = torch.nn.functional
    a, b = torch.randn(3, 4), torch.randn(3, 4)
    index = torch.tensor([1, 2, 0])
    calls = [
        lambda: F.mse_loss(a, b[:2]),
        lambda: F.l1_loss(a, b[:1]),
        lambda: F.smooth_l1_loss(a, b[0]),
        lambda: F.mse_loss(a, b, reduction="x"),
        lambda: F.mse_loss(a, b, size_average=False),
        lambda: F.mse_loss(a, b, reduce=False),
        lambda: F.mse_loss(a, b, weight=b[:1]),
        lambda: F.mse_loss(a, b, weight=b.abs()),
        lambda: F.l1_loss(a, b, weight=b.abs(), reduction="sum"),
        lambda: F.huber_loss(a, b, weight=b.abs(), delta=0.5),
        lambda: F.smooth_l1_loss(a, b, beta=-1),
        lambda: F.huber_loss(a, b, delta=0),
        lambda: F.binary_cross_entropy(a.sigmoid(), b[:2]),
        lambda: F.binary_cross_entropy(a.sigmoid(), b.sigmoid(), weight=b[0]),
        lambda: F.binary_cross_entropy_with_logits(a, b[0]),
        lambda: F.kl_div(a, b.softmax(1)),
        lambda: F.kl_div(a, b, reduction="zz"),
        lambda: F.poisson_nll_loss(a, b, reduction="x"),
        lambda: F.gaussian_nll_loss(a, b, torch.tensor(-1.0)),
        lambda: F.gaussian_nll_loss(a, b, 1.0),
        lambda: F.gaussian_nll_loss(a, b, torch.ones(3), full=True),
        lambda: F.gaussian_nll_loss(a, b, torch.ones(2, 4)),
        lambda: F.gaussian_nll_loss(a, b, a.abs(), reduction="x"),
        lambda: F.hinge_embedding_loss(a, b.sign()),
        lambda: F.multilabel_margin_loss(a, b),
        lambda: F.multilabel_margin_loss(a, torch.tensor([[1, 2, -1, 0]] * 3)),
        lambda: F.multilabel_margin_loss(a, torch.tensor([[1, 2]] * 3)),
        lambda: F.multilabel_soft_margin_loss(a, b, reduction="q"),
        lambda: F.cosine_embedding_loss(a, b, torch.tensor([1, -1, 1])),
        lambda: F.cosine_embedding_loss(a[0], b, torch.tensor([1, -1, 1])),
        lambda: F.margin_ranking_loss(a, b, torch.tensor([1.0])),
        lambda: F.multi_margin_loss(a, index, p=3),
        lambda: F.multi_margin_loss(a, index, p=2, margin=0.5),
        lambda: F.multi_margin_loss(a, torch.tensor([1, 2, 7])),
        lambda: F.multi_margin_loss(a, torch.tensor([1, 2])),
        lambda: F.multi_margin_loss(a, index, weight=torch.tensor([1.0])),
        lambda: F.triplet_margin_loss(a, b, a[0]),
        lambda: F.triplet_margin_loss(a, b, a, margin=0),
        lambda: torch.nn.TripletMarginLoss(margin=0),
        lambda: torch.nn.MultiMarginLoss(weight=torch.ones(2, 2)),
        lambda: torch.nn.MSELoss(size_average=False).reduction,
    ]
    return [warned(call) for call in calls]


@case
def loss_nodes(torch):
    F = torch.nn.functional
    x, t = torch.full((2, 3), 0.5, requires_grad=True), torch.full((2, 3), 0.25)
    names = (
        "binary_cross_entropy mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss "
        "binary_cross_entropy_with_logits hinge_embedding_loss soft_margin_loss"
    ).split()
    return [[name, str(getattr(F, name)(x, t))] for name in names]


@case
def adaptive_softmax(torch):
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0, head_bias=True)
    x, target = torch.randn(5, 8), torch.tensor([0, 4, 11, 3, 2])
    return [
        layer.state_dict(),
        with_gradients(torch, layer, x, target),
        layer(x.detach(), target).loss,
        layer.log_prob(x.detach()),
        layer.predict(x.detach()),
        outcome(lambda: layer(x, target[:2])),
        outcome(lambda: layer(x, target + 5)),
        outcome(lambda: layer(x, target[None])),
        layer(x[0].detach(), torch.tensor(3)),
    ]


@case
def cross_map_response_norm(torch):
    x = torch.randn(2, 6, 3, 3)
    layer = torch.nn.CrossMapLRN2d
    return [layer(3)(x), layer(5, alpha=0.5, k=2)(x), outcome(lambda: layer(3)(x[0]))]


@case
def sync_batch_norm_in_one_process(torch):
    nn = torch.nn
    layer = nn.SyncBatchNorm(3)
    x = torch.randn(4, 3, 2)
    net = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
    return [layer(x), layer.eval()(x), layer.state_dict(), str(net)]


@case
def lazy_layers(torch):
    nn = torch.nn
    image, row = torch.randn(2, 4, 6, 6), torch.randn(3, 5)
    layers = [
        (nn.LazyLinear(3), row),
        (nn.LazyConv2d(4, 2, groups=2), image),
        (nn.LazyConvTranspose2d(4, 2, bias=False), image),
        (nn.LazyBatchNorm2d(), image),
        (nn.LazyInstanceNorm2d(affine=True), image),
    ]
    results = []
    for layer, x in layers:
        results.append([repr(layer), str(layer.state_dict())])
        results.append([repr(parameter) for parameter in layer.parameters()])
        results.append([layer(x), repr(layer), type(layer).__name__, layer.state_dict()])
    lazy = nn.LazyLinear(3)
    results.append(outcome(lambda: lazy.weight.shape))
    results.append(outcome(lambda: nn.LazyConv2d(3, 3)(image[0, 0])))
    lazy.load_state_dict(nn.Linear(5, 3).state_dict())
    results.append([lazy.weight.shape, lazy(row).shape, repr(lazy)])
    return results


@case
def recurrent_layers(torch):
    nn, results = torch.nn, []
    x = torch.randn(4, 3, 5)
    for make in (nn.RNN, nn.GRU, nn.LSTM):
        torch.manual_seed(2)
        layer = make(5, 4, num_layers=2, bidirectional=True, dropout=0.0)
        results.append([layer.state_dict(), with_gradients(torch, layer, x.clone())])
        results.append([repr(layer), [[w.shape for w in ws] for ws in layer.all_weights]])
        packed = nn.utils.rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
        output, state = layer(packed)
        results.append([output.data, output.batch_sizes, output.unsorted_indices, state])
        start = torch.zeros(4, 3, 4)
        state = (start, start) if make is nn.LSTM else start
        results.append(layer(packed, state)[1])
    projected = nn.LSTM(5, 4, proj_size=2, batch_first=True)
    results.append(projected(x))
    results.append(nn.RNN(5, 4, nonlinearity="relu", bias=False)(x[:, 0]))
    return results


@case
def recurrent_errors(torch):
    nn, results = torch.nn, []
    x, h = torch.randn(5, 2, 3), torch.zeros(1, 2, 4)
    for make in (nn.RNN, nn.LSTM, nn.GRU):
        layer = make(3, 4)

        def both(state, make=make):
            return (state, state) if make is nn.LSTM else state

        calls = [
            lambda: layer(x[None]),  # noqa: B023
            lambda: layer(x[..., :2]),  # noqa: B023
            lambda: layer(x, both(h[0])),  # noqa: B023
            lambda: layer(x, both(h[:, :1])),  # noqa: B023
            lambda: layer(x[0], both(h)),  # noqa: B023
            lambda: layer(x.double()),  # noqa: B023
            lambda: layer(torch.zeros(0, 2, 3)),  # noqa: B023
        ]
        results += [outcome(call) for call in calls]
    for make in (nn.RNNCell, nn.LSTMCell, nn.GRUCell):
        cell, row, state = make(3, 4), torch.randn(2, 3), torch.zeros(2, 4)

        def pair(state, make=make):
            return (state, state) if make is nn.LSTMCell else state

        calls = [
            lambda: cell(row[None]),  # noqa: B023
            lambda: cell(row[:, :2]),  # noqa: B023
            lambda: cell(row, pair(state[:1])),  # noqa: B023
            lambda: cell(row, pair(state[:, :1])),  # noqa: B023
            lambda: cell(row, pair(state[None])),  # noqa: B023
        ]
        results += [outcome(call) for call in calls]
    makers = [
        lambda: nn.GRU(3, 4, proj_size=2),
        lambda: nn.RNN(3, 4, nonlinearity="x"),
        lambda: nn.LSTM(3, 4, proj_size=4),
        lambda: nn.RNN(3, 4, dropout=2),
        lambda: nn.RNN(0, 4),
        lambda: nn.RNN(3, "a"),
        lambda: nn.RNN(3, 4, num_layers=0),
        lambda: nn.RNNBase("X", 3, 4),
    ]
    results += [outcome(make) for make in makers]
    return results + [warned(lambda: nn.RNN(3, 4, dropout=0.5))]


@case
def attention(torch):
    nn, F = torch.nn, torch.nn.functional
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True)
    x, y = torch.randn(3, 2, 4), torch.randn(5, 2, 4)
    closed = torch.tensor([[False, False, True, False, False], [True, False, False, False, False]])
    other = nn.MultiheadAttention(4, 2, kdim=6, vdim=3, batch_first=True)
    results = [
        layer.state_dict(),
        layer(x, y, y),
        layer(x, y, y, average_attn_weights=False),
        layer(x, y, y, key_padding_mask=closed, need_weights=False),
        layer(x, y, y, attn_mask=torch.randn(3, 5)),
        layer(x[:, 0], y[:, 0], y[:, 0]),
        other(torch.randn(2, 3, 4), torch.randn(2, 5, 6), torch.randn(2, 5, 3)),
    ]
    q, k = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    mask = torch.tensor([[True, False, True, True, False]] * 2 + [[False] * 5])
    results += [
        F.scaled_dot_product_attention(q, k, k),
        F.scaled_dot_product_attention(q, k, k, attn_mask=mask),
        F.scaled_dot_product_attention(q, k, k, attn_mask=torch.randn(3, 5), scale=0.3),
        F.scaled_dot_product_attention(q, k, k, is_causal=True),
        F.scaled_dot_product_attention(q[None], k[None, :1], k[None, :1], enable_gqa=True),
    ]
    plain = nn.MultiheadAttention(4, 2)
    calls = [
        lambda: nn.MultiheadAttention(5, 2),
        lambda: nn.MultiheadAttention(0, 2),
        lambda: plain(x[..., :2], x, x),
        lambda: plain(x[0, 0], x, x),
        lambda: plain(x, x[0], x),
        lambda: plain(x, x, x, is_causal=True),
        lambda: plain(x, x, x, attn_mask=torch.zeros(2, 2)),
        lambda: plain(x, x, x, attn_mask=torch.zeros(3, 3, 3)),
        lambda: plain(x, x, x, key_padding_mask=torch.zeros(2, 3, dtype=torch.int)),
        lambda: plain(x, x, x, key_padding_mask=torch.zeros(1, 3, dtype=torch.bool)),
        lambda: plain(x, x, x, key_padding_mask=torch.zeros(3, dtype=torch.bool)),
        lambda: plain(x[:, 0], x[:, 0], x[:, 0], attn_mask=torch.zeros(1, 3, 3)),
        lambda: plain(x, x[:2], x),
        lambda: F.scaled_dot_product_attention(q[0, 0], k, k),
        lambda: F.scaled_dot_product_attention(q, k.double(), k),
        lambda: F.scaled_dot_product_attention(q, k, k, attn_mask=mask, is_causal=True),
    ]
    return results + [outcome(call) for call in calls]


@case
def transformers(torch):
    nn = torch.nn
    x, y = torch.randn(3, 2, 4), torch.randn(5, 2, 4)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, activation="gelu", norm_first=True)
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4))
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0), 2)
    whole = nn.Transformer(4, 2, 1, 1, 8, dropout=0.0)
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    return [
        encoder(x),
        encoder(x, mask=causal),
        encoder(x, src_key_padding_mask=torch.tensor([[False, False, True]] * 2)),
        decoder(x, y),
        decoder(x, y, tgt_mask=causal),
        whole.state_dict(),
        with_gradients(torch, whole, y, x),
        whole(y, x, tgt_mask=causal, tgt_is_causal=True),
        causal,
        list(encoder.state_dict()),
        outcome(lambda: whole(x, y[:, :1])),
        outcome(lambda: whole(x[..., :2], y[..., :2])),
        outcome(lambda: nn.TransformerEncoderLayer(4, 2, activation="x")),
    ]


@case
def functions_of_their_own(torch):
    F = torch.nn.functional
    x = torch.randn(3, 4)
    return [
        F.one_hot(torch.tensor([[0, 2], [1, 0]])),
        F.one_hot(torch.tensor([1]), 4),
        [
            outcome(lambda: F.one_hot(torch.tensor([1.0]))),
            outcome(lambda: F.one_hot(torch.tensor([1, 2]), 2)),
            outcome(lambda: F.one_hot(torch.tensor([-1, 2]))),
        ],
        F.glu(x),
        outcome(lambda: F.glu(x[:, :3])),
        F.gumbel_softmax(x, tau=0.5),
        F.gumbel_softmax(x, hard=True),
        F.softmin(x, 0),
        F.bilinear(x, x[:, :2], torch.ones(2, 4, 2), torch.ones(2)),
        outcome(lambda: F.bilinear(x, x[:2], torch.ones(2, 4, 4))),
        outcome(lambda: F.bilinear(x, x, torch.ones(2, 3, 4))),
        F.local_response_norm(torch.randn(2, 5, 3), 3),
        outcome(lambda: F.local_response_norm(x, 2)),
        F.lp_pool1d(torch.randn(2, 3, 7), 2.0, 3),
        F.lp_pool2d(torch.randn(2, 3, 7, 6), 1.5, (3, 2), stride=1).nan_to_num(),
        F.linear_cross_entropy(x, torch.ones(5, 4), torch.tensor([0, 3, 2])),
        F.rrelu(x, training=True),
        F.rrelu(x),
        [name for name in dir(F) if name.endswith("_loss")],
    ]


@case
def dropout_masks(torch):
    nn = torch.nn
    layers = [
        (nn.Dropout(0.3), (5, 7)),
        (nn.Dropout1d(), (3, 8, 2)),
        (nn.Dropout2d(), (3, 8, 2, 2)),
        (nn.Dropout3d(), (3, 8, 2, 2, 2)),
        (nn.AlphaDropout(0.4), (5, 7)),
        (nn.FeatureAlphaDropout(), (3, 8, 2)),
    ]
    x = [layer(torch.ones(shape)) for layer, shape in layers]
    lstm = nn.LSTM(3, 4, num_layers=3, dropout=0.5, bidirectional=True)
    encoder = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.3)
    return x + [lstm(torch.ones(2, 3, 3))[0], encoder(torch.ones(3, 2, 4))]
