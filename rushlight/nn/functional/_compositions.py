"""The rest of the functions that are compositions of ops: one screen each."""

import warnings

import rushlight

__all__ = [
    "bilinear",
    "embedding_bag",
    "gumbel_softmax",
    "linear_cross_entropy",
    "local_response_norm",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "one_hot",
    "softmin",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def bilinear(input1, input2, weight, bias=None):
    """y_o = x1^T weight_o x2 + bias_o, over the last dimensions.

    Shapes: (*, I), (*, J), (O, I, J) and (O) to (*, O).
    """
    if input1.dim() != input2.dim():
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}"
        )
    for axis in range(input1.dim() - 1):
        if input1.size(axis) != input2.size(axis):
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {axis}: got "
                f"{input1.size(axis)} and {input2.size(axis)}"
            )
    for name, x, axis in (("input1", input1, 1), ("input2", input2, 2)):
        if x.size(-1) != weight.size(axis):
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {x.size(-1)} but "
                f"expected {weight.size(axis)}"
            )
    if bias is not None and bias.size(0) != weight.size(0):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.size(0)} but expected "
            f"{weight.size(0)}"
        )
    outputs, width1, width2 = weight.shape
    rows1, rows2 = input1.reshape(-1, width1), input2.reshape(-1, width2)
    # (B, I) with (O, I, J) to (B, O, J), then row by row with (B, J)
    left = rows1 @ weight.transpose(0, 1).reshape(width1, outputs * width2)
    result = (left.view(-1, outputs, width2) @ rows2.unsqueeze(2)).squeeze(2)
    if bias is not None:
        result = result + bias
    return result.view(*input1.shape[:-1], outputs)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """softmax((logits + gumbel noise) / tau); with `hard` one-hot, the gradient still soft."""
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -rushlight.empty_like(logits).exponential_().log()
    soft = rushlight.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.max(dim, keepdim=True)[1]
    one = rushlight.zeros_like(logits).scatter_(dim, chosen, 1.0)
    return one - soft.detach() + soft


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """exp(-x) / sum of exp(-x) along `dim`."""
    if dim is None:
        warnings.warn(
            "Implicit dimension choice for softmin has been deprecated. Change the call to "
            "include dim=X as an argument.",
            stacklevel=_stacklevel,
        )
        dim = 0 if input.dim() in (0, 1, 3) else 1
    return rushlight.softmax(-input, dim, dtype=dtype)


def one_hot(tensor, num_classes=-1):
    """A new last dimension of `num_classes` entries, 1 at the given index and 0 elsewhere."""
    if tensor.dtype != rushlight.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return rushlight.empty(*tensor.shape, num_classes, dtype=rushlight.int64)
    if tensor.min().item() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = tensor.max().item()
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif largest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    zeros = rushlight.zeros(*tensor.shape, num_classes, dtype=rushlight.int64)
    return zeros.scatter_(-1, tensor.unsqueeze(-1), 1)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha * mean of x^2 over `size` channels around)^beta, for (N, C, *)."""
    from rushlight.nn.functional import avg_pool2d, avg_pool3d, pad

    dims = input.dim()
    if dims < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          "
            f"input (got {dims} dimensions)"
        )
    if input.numel() == 0:
        return input
    squares = input.square().unsqueeze(1)
    before, after = size // 2, (size - 1) // 2
    if dims == 3:
        padded = pad(squares, (0, 0, before, after))
        means = avg_pool2d(padded, (size, 1), stride=1).squeeze(1)
    else:
        # Everything after the first spatial dimension is one dimension to the pooling.
        sizes = input.size()
        squares = squares.view(sizes[0], 1, sizes[1], sizes[2], -1)
        padded = pad(squares, (0, 0, 0, 0, before, after))
        means = avg_pool3d(padded, (size, 1, 1), stride=1).squeeze(1).view(sizes)
    return input / (means * alpha + k).pow(beta)


def _lp_pool(pool, input, norm_type, window, kernel_size, stride, ceil_mode):
    stride = kernel_size if stride is None else stride
    powered = pool(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    # Back from the mean to the sum; relu keeps what should be 0 from being slightly negative.
    sums = rushlight.sign(powered) * rushlight.relu(rushlight.abs(powered))
    return sums.mul(window).pow(1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x^p over each window)^(1/p), p = `norm_type`."""
    from rushlight.nn.functional import avg_pool1d

    window = kernel_size if isinstance(kernel_size, int) else kernel_size[0]
    return _lp_pool(avg_pool1d, input, norm_type, window, kernel_size, stride, ceil_mode)


def _product(kernel_size, dimensions):
    if isinstance(kernel_size, int):
        return kernel_size**dimensions
    product = 1
    for size in kernel_size:
        product *= size
    return product


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """`lp_pool1d` over the last two dimensions."""
    from rushlight.nn.functional import avg_pool2d

    window = _product(kernel_size, 2)
    return _lp_pool(avg_pool2d, input, norm_type, window, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """`lp_pool1d` over the last three dimensions."""
    from rushlight.nn.functional import avg_pool3d

    window = _product(kernel_size, 3)
    return _lp_pool(avg_pool3d, input, norm_type, window, kernel_size, stride, ceil_mode)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Deprecated: use `interpolate`."""
    from rushlight.nn.functional import interpolate

    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """Deprecated: use `interpolate`."""
    from rushlight.nn.functional import interpolate

    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """Deprecated: use `interpolate`."""
    from rushlight.nn.functional import interpolate

    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` "
        "instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """The sum, mean or max of the rows of `weight` that each bag of indices names.

    Shapes: indices (B, N), a bag a row, or (N) with the bags' first positions `offsets` (B); the
    result is (B, D). `per_sample_weights` scales the rows, for the sum. Rows of `padding_idx` do
    not count. An empty bag is zero.
    """
    from rushlight.nn.functional import embedding

    if input.is_floating_point():
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.type()} instead (while checking arguments for "
            "embedding_bag)"
        )
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then "
            f"it must have the same shape as the input ({input.shape})"
        )
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                "of fixed length sequences. However, found offsets of type "
                f"{type(offsets)}"
            )
        bags, length = input.shape
        starts = rushlight.arange(bags) * length
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        starts = offsets[:-1] if include_last_offset else offsets
        bags = starts.size(0)
        if bags and offsets[0].item() != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
                f"from position 0. However, got {offsets[0].item()}"
            )
        if bags and offsets[-1].item() > input.size(0):
            raise RuntimeError(
                "offsets[-1] can not be greater than input's length "
                f"{input.size(0)} but got offsets[-1] of {offsets[-1].item()}"
            )
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    count = weight.size(0)
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, -{count} through "
                f"{count - 1}, but got {padding_idx}"
            )
        padding_idx %= count

    input = input.long()
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    # The bag of each position: how many bags start at or before it, less one.
    positions = rushlight.arange(input.size(0))
    if bags:
        owner = rushlight.searchsorted(starts.long().contiguous(), positions, right=True) - 1
    else:
        owner = positions
    counted = None if padding_idx is None else input != padding_idx
    if mode == "max":
        return _bag_maximum(rows, owner, counted, bags)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    if counted is not None:
        rows = rushlight.where(counted.unsqueeze(1), rows, 0)
    result = rushlight.zeros((bags, weight.size(1)), dtype=weight.dtype)
    result = result.index_add(0, owner, rows)
    if mode == "mean":
        ones = rushlight.ones(input.size(0), dtype=weight.dtype)
        if counted is not None:
            ones = counted.to(weight.dtype)
        sizes = rushlight.zeros(bags, dtype=weight.dtype).index_add(0, owner, ones)
        result = result / sizes.clamp(min=1).unsqueeze(1)
    return result


def _bag_maximum(rows, owner, counted, bags):
    """The largest row of each bag; the gradient goes to the first of equals."""
    width = rows.size(1)
    if bags == 0:
        return rows.new_zeros((0, width))
    values = rows.detach()
    if counted is not None:
        values = values.masked_fill(~counted.unsqueeze(1), -float("inf"))
    index = owner.unsqueeze(1).expand(-1, width)
    best = rows.new_full((bags, width), -float("inf"))
    best = best.scatter_reduce(0, index, values, "amax")
    # The first position of each bag whose value is the best, and one past the end for none.
    length = rows.size(0)
    positions = rushlight.arange(length).unsqueeze(1).expand(-1, width)
    positions = rushlight.where(values == best.gather(0, index), positions, length)
    if counted is not None:
        positions = positions.masked_fill(~counted.unsqueeze(1), length)
    first = rushlight.full((bags, width), length, dtype=rushlight.int64)
    first = first.scatter_reduce(0, index, positions, "amin")
    found = first < length
    chosen = rows.gather(0, rushlight.where(found, first, 0)) if length else best
    return rushlight.where(found, chosen, 0)


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """cross_entropy(linear(input, linear_weight, linear_bias), target).

    Shapes: input (N, I) or (I), linear_weight (C, I) or (C, d1, ..., I), whose logits are
    (N, C, d1, ...). `options` is accepted and changes nothing.
    """
    from rushlight.nn.functional import cross_entropy, linear

    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}"
        )
    if input.size(-1) != linear_weight.size(-1):
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.size(-1)} and {linear_weight.size(-1)}, respectively"
        )
    shape = linear_weight.shape[:-1]
    if len(shape) > 1 and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, (N, {input.size(-1)}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )
    if linear_bias is not None and linear_bias.shape != shape:
        raise RuntimeError(
            f"expected linear_bias shape {tuple(shape)}, got {tuple(linear_bias.shape)}"
        )
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    flat_bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), flat_bias)
    if len(shape) > 1:
        logits = logits.reshape(*logits.shape[:-1], *shape)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
