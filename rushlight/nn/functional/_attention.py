"""Attention: the scaled dot product, and the multi-head form with its projections."""

import math

import rushlight

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    """softmax(Q K^T scale + mask) V, scale = 1 / sqrt(E) by default (Vaswani 2017).

    Shapes: query (*, L, E), key (*, S, E), value (*, S, Ev) to (*, L, Ev). A boolean `attn_mask`
    is True where attention is allowed; any other is added. `is_causal` allows key j for query i
    only if j <= i, and excludes `attn_mask`. With `enable_gqa` the key and value heads (dimension
    -3) are repeated to the query's number. A row that may attend to nothing gives zeros.
    """
    if min(query.dim(), key.dim(), value.dim()) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.dim()} key.dim: {key.dim()} and value.dim: {value.dim()} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{_c_name(query)} key.dtype: {_c_name(key)} and value.dtype: {_c_name(value)} "
            "instead."
        )
    mask_dtypes = (rushlight.bool, rushlight.float32, query.dtype)
    if attn_mask is not None and attn_mask.dtype not in mask_dtypes:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {_c_name(attn_mask)} and  query.dtype: {_c_name(query)} instead."
        )
    if dropout_p < 0 or dropout_p > 1:
        raise RuntimeError(
            f"dropout probability has to be between 0 and 1, but got {dropout_p:g}"
        )
    if enable_gqa:
        if query.size(-3) % key.size(-3) or query.size(-3) % value.size(-3):
            raise RuntimeError(
                "Number of heads in key and value must divide the number of heads in query"
            )
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    dtype = query.dtype
    if dtype in (rushlight.float16, rushlight.bfloat16):
        # Scores and weights are float32, as in PyTorch's kernels for the half types.
        query, key, value = query.float(), key.float(), value.float()
        if attn_mask is not None and attn_mask.dtype == dtype:
            attn_mask = attn_mask.float()
    if scale is None:
        scale = 1.0 / math.sqrt(query.size(-1)) if query.size(-1) else 1.0
    if attn_mask is None and dropout_p == 0.0:
        found = rushlight.nn.functional._fused_attention(query, key, value, scale, is_causal)
        if found is not None:
            return found.to(dtype)
    # Scaling both sides by the root keeps the scores small, which half precision needs.
    root = math.sqrt(abs(scale))
    scores = (query * (root if scale >= 0 else -root)) @ (key.transpose(-2, -1) * root)
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
                "is_causal=True"
            )
        shape = (query.size(-2), key.size(-2))
        attn_mask = rushlight.ones(shape, dtype=rushlight.bool).tril()
    if attn_mask is None:
        weights = rushlight.softmax(scores, -1)
    elif attn_mask.dtype == rushlight.bool:
        weights = rushlight.softmax(scores.masked_fill(~attn_mask, -math.inf), -1)
        # A row without any allowed key is 0 / 0 above.
        weights = weights.masked_fill(~attn_mask.any(-1, keepdim=True), 0.0)
    else:
        scores = scores + attn_mask
        weights = rushlight.softmax(scores, -1)
        closed = (scores == -math.inf).all(-1, keepdim=True)
        weights = weights.masked_fill(closed, 0.0)
    if dropout_p > 0.0:
        weights = rushlight.dropout(weights, dropout_p, True)
    return (weights @ value).to(dtype)


_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "int32": "int",
    "int64": "long int",
}


def _c_name(tensor):
    """The dtype's name in the messages of this function."""
    name = str(tensor.dtype).split(".")[-1]
    return _C_NAMES.get(name, name)


def _as_added_mask(mask, name, other, other_name, target_type, check_other=True):
    """Turn a boolean mask (True: not attended to) into one that is added to the scores."""
    if mask is None:
        return None
    if mask.dtype != rushlight.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if check_other and other is not None and mask.dtype != other.dtype:
        import warnings

        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for "
            "both instead.",
            stacklevel=4,
        )
    if mask.is_floating_point():
        return mask
    return rushlight.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Raise AssertionError for shapes that do not fit; return whether there is a batch."""
    if query.dim() not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.dim()}-D "
            "query tensor"
        )
    batched = query.dim() == 3
    kind, rank = ("batched", 3) if batched else ("unbatched", 2)
    if key.dim() != rank or value.dim() != rank:
        raise AssertionError(
            f"For {kind} ({rank}-D) `query`, expected `key` and `value` to be {rank}-D but found "
            f"{key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != rank - 1:
        raise AssertionError(
            f"For {kind} ({rank}-D) `query`, expected `key_padding_mask` to be `None` or "
            f"{rank - 1}-D but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} ({rank}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D "
                f"but found {attn_mask.dim()}-D tensor instead"
            )
        if not batched and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if attn_mask.shape != expected:
                raise AssertionError(
                    f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}"
                )
    return batched


def _project(query, key, value, weight, bias, linear):
    """Apply the joint input projection, in one product where the inputs are the same tensor."""
    width = query.size(-1)
    if key is value and query is key:
        return linear(query, weight, bias).split(width, dim=-1)
    weights = weight.split(width)
    biases = (None,) * 3 if bias is None else bias.split(width)
    if key is value:
        both = linear(
            key,
            weight[width:],
            None if bias is None else bias[width:],
        )
        return (linear(query, weights[0], biases[0]), *both.split(width, dim=-1))
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    """concat(head_1 ... head_h) W_O, head_i = attention of the projected query, key and value.

    Shapes: query (L, N, E), key (S, N, E), value (S, N, E), or the same without N. A True in a
    boolean mask means "not attended to". Returns (output (L, N, E), weights (N, L, S) averaged
    over the heads, (N, h, L, S) if not, or None).
    """
    from rushlight.nn.functional import linear

    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    same = key is value, query is key
    if batched and key_padding_mask is not None:
        for axis, expected in ((0, key.shape[1]), (1, key.shape[0])):
            if key_padding_mask.shape[axis] != expected:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{axis}] to be {expected}, but got "
                    f"{key_padding_mask.shape[axis]}"
                )
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        # One tensor stays one tensor, so that the joint projection is still one product.
        value = key if same[0] else value
        key, value = (query, query) if all(same) else (key, value)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    sources = key.shape[0]

    key_padding_mask = _as_added_mask(
        key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype
    )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the attention itself is told to be causal
    else:
        attn_mask = _as_added_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if key_padding_mask is not None:
            is_causal = False

    if width != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}"
        )
    head_dim = width // num_heads
    if head_dim * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's "
                f"{value.shape[:2]}"
            )
        biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        for weight, name in zip(weights, "qkv"):
            if weight is None:
                raise AssertionError(
                    f"use_separate_proj_weight is True but {name}_proj_weight is None"
                )
        q, k, v = (
            linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)
        )
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _project(query, key, value, in_proj_weight, in_proj_bias, linear)

    if attn_mask is not None:
        if attn_mask.dim() == 2:
            expected = (length, sources)
            if attn_mask.shape != expected:
                raise RuntimeError(
                    f"The shape of the 2D attn_mask is {attn_mask.shape}, but should be "
                    f"{expected}."
                )
            attn_mask = attn_mask.unsqueeze(0)
        elif attn_mask.dim() == 3:
            expected = (batch * num_heads, length, sources)
            if attn_mask.shape != expected:
                raise RuntimeError(
                    f"The shape of the 3D attn_mask is {attn_mask.shape}, but should be "
                    f"{expected}."
                )

    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must both be None or both be given")
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k = rushlight.cat([k, bias_k.repeat(1, batch, 1)])
        v = rushlight.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _widen(attn_mask, key_padding_mask)

    def heads(x):  # (S, N, E) to (N h, S, E / h)
        return x.reshape(x.shape[0], batch * num_heads, head_dim).transpose(0, 1)

    q = heads(q)
    k = heads(k) if static_k is None else _checked_static(static_k, "k", batch, num_heads, head_dim)
    v = heads(v) if static_v is None else _checked_static(static_v, "v", batch, num_heads, head_dim)
    if add_zero_attn:
        nothing = rushlight.zeros((batch * num_heads, 1, head_dim), dtype=k.dtype)
        k = rushlight.cat([k, nothing], 1)
        v = rushlight.cat([v, nothing], 1)
        attn_mask, key_padding_mask = _widen(attn_mask, key_padding_mask)
    sources = k.size(1)

    if key_padding_mask is not None:
        if key_padding_mask.shape != (batch, sources):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(batch, sources)}, but got "
                f"{key_padding_mask.shape}"
            )
        padding = key_padding_mask.view(batch, 1, 1, sources).expand(-1, num_heads, -1, -1)
        padding = padding.reshape(batch * num_heads, 1, sources)
        attn_mask = padding if attn_mask is None else attn_mask + padding

    dropout_p = dropout_p if training else 0.0
    if need_weights:
        scores = (q * math.sqrt(1.0 / head_dim)) @ k.transpose(-2, -1)
        if attn_mask is not None:
            scores = scores + attn_mask
        weights = rushlight.softmax(scores, -1)
        if dropout_p > 0.0:
            weights = rushlight.dropout(weights, dropout_p, True)
        output = weights @ v
        output = output.transpose(0, 1).reshape(length * batch, width)
        output = linear(output, out_proj_weight, out_proj_bias).view(length, batch, -1)
        weights = weights.view(batch, num_heads, length, sources)
        if average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return output.squeeze(1), weights.squeeze(0)
        return output, weights

    if attn_mask is not None:
        if attn_mask.size(0) == 1:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(batch, num_heads, -1, sources)
    q, k, v = (x.view(batch, num_heads, -1, head_dim) for x in (q, k, v))
    output = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    output = output.permute(2, 0, 1, 3).reshape(batch * length, width)
    output = linear(output, out_proj_weight, out_proj_bias).view(length, batch, -1)
    return (output if batched else output.squeeze(1)), None


def _widen(attn_mask, key_padding_mask):
    """Add an allowed last key to both masks."""
    from rushlight.nn.functional import pad

    if attn_mask is not None:
        attn_mask = pad(attn_mask, (0, 1))
    if key_padding_mask is not None:
        key_padding_mask = pad(key_padding_mask, (0, 1))
    return attn_mask, key_padding_mask


def _checked_static(tensor, name, batch, num_heads, head_dim):
    for axis, expected in ((0, batch * num_heads), (2, head_dim)):
        if tensor.size(axis) != expected:
            raise AssertionError(
                f"expecting static_{name}.size({axis}) of {expected}, but got {tensor.size(axis)}"
            )
    return tensor
