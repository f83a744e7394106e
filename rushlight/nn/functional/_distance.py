"""Norms and distances along a dimension."""

import rushlight

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(|x|_p, eps), the norm along `dim`."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    if out is None:
        return input / norm
    return rushlight.div(input, norm, out=out)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """|x1 - x2 + eps|_p over the last dimension."""
    last = max(x1.dim(), x2.dim()) - 1
    return rushlight.norm(x1 - x2 + eps, p, last, keepdim)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`; the shapes broadcast."""
    common = rushlight.result_type(x1, x2)
    if not common.is_floating_point:
        name = rushlight.empty(0, dtype=common).type().split(".")[-1].replace("Tensor", "")
        raise RuntimeError(
            "expected common dtype to be floating point, yet common dtype is " + name
        )
    x1, x2 = x1.to(common), x2.to(common)
    x1, x2 = rushlight.broadcast_tensors(x1, x2)

    def unit(x):
        norm = rushlight.norm(x, 2, dim, keepdim=True)
        # The floor is not part of the derivative, so that a zero row has gradient 0.
        floored = norm.clone()
        with rushlight.no_grad():
            floored.clamp_(min=eps)
        return x / floored

    return (unit(x1) * unit(x2)).sum(dim)
