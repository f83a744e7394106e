"""Functions of the package that are methods or `nn.functional` elsewhere, and rarer ones."""

from __future__ import annotations

from .record import export
from .result_types import result_type

# ---- methods under the package's name ---------------------------------------------------------


@export("torch", out=True)
def fill(input, value):  # noqa: A002
    """A tensor like `input`, every element `value`."""
    return input.clone().fill_(value)


def _in_place(name):
    def function(input, *args, **kwargs):  # noqa: A002
        return getattr(input, name)(*args, **kwargs)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `torch.Tensor.{name}`."
    export("torch")(function)


for _name in ("fill_", "zero_", "detach", "detach_", "resize_as_"):
    _in_place(_name)


@export("Tensor")
def narrow_copy(self, dim, start, length):
    """A copy of `narrow`."""
    return self.narrow(dim, start, length).clone()


def _unsafe(name, plain):
    def function(input, *args, **kwargs):  # noqa: A002
        return tuple(part.clone() for part in getattr(input, plain)(*args, **kwargs))
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{plain}` whose results share no memory."
    export(*(("torch", "Tensor") if name == "unsafe_split_with_sizes" else ("Tensor",)))(function)


_unsafe("unsafe_split", "split")
_unsafe("unsafe_chunk", "chunk")
_unsafe("unsafe_split_with_sizes", "split")

# ---- losses by PyTorch's number of the reduction ------------------------------------------------

_REDUCTION = ("none", "mean", "sum")


def _loss(name, count):
    def function(*args, reduction=1, **kwargs):
        import rushlight
        if len(args) > count:
            reduction, args = args[count], args[:count] + args[count + 1:]
        found = getattr(rushlight.nn.functional, name)
        return found(*args, reduction=_REDUCTION[reduction], **kwargs)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"See `torch.nn.functional.{name}`; reduction by PyTorch's number."
    export("torch")(function)


for _name, _count in (("kl_div", 2), ("hinge_embedding_loss", 3), ("margin_ranking_loss", 4),
                      ("cosine_embedding_loss", 4), ("poisson_nll_loss", 5)):
    _loss(_name, _count)


@export("torch")
def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None,  # noqa: A002
                                     reduction=1):
    """See `torch.nn.functional`; reduction by PyTorch's number."""
    import rushlight
    return rushlight.nn.functional.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=_REDUCTION[reduction])


@export("torch")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False,
                        reduction=1):
    """See `torch.nn.functional.triplet_margin_loss`; reduction by PyTorch's number."""
    import rushlight
    return rushlight.nn.functional.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_REDUCTION[reduction])


# ---- low-rank factorizations ------------------------------------------------------------------

_HISTOGRAMDD = result_type("histogramdd", ("hist", "bin_edges"))


def _basis(a, q, niter):
    """An orthonormal basis of what `a` does to random vectors (Halko and others, 2009, 4.4)."""
    import rushlight
    x = a @ rushlight.randn(a.shape[-1], q, dtype=a.dtype)
    found = rushlight.linalg.qr(x).Q
    for _ in range(niter):
        found = rushlight.linalg.qr(a.mH @ found).Q
        found = rushlight.linalg.qr(a @ found).Q
    return found


@export("torch")
def svd_lowrank(A, q=6, niter=2, M=None):  # noqa: N803
    """(U, S, V) of the q largest singular values, by a randomised algorithm."""
    import rushlight
    q = 6 if q is None else q
    if M is not None:
        A = A - M.expand(A.shape)  # noqa: N806
    wide = A.shape[-2] < A.shape[-1]
    a = A.mH if wide else A
    basis = _basis(a, q, niter)
    u, s, vh = rushlight.linalg.svd(basis.mH @ a, full_matrices=False)
    u, v = basis @ u, vh.mH
    return (v, s, u) if wide else (u, s, v)


@export("torch")
def pca_lowrank(A, q=None, center=True, niter=2):  # noqa: N803
    """(U, S, V) of the principal components of rows of A."""
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)="
                         f"{min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


# ---- histograms -------------------------------------------------------------------------------

@export("torch")
def histogramdd(input, bins, *, range=None, weight=None, density=False):  # noqa: A002
    """(hist, bin_edges) of rows of D numbers: counts in a grid of D dimensions."""
    import rushlight
    width = input.shape[-1]
    rows = input.reshape(-1, width)
    if isinstance(bins, int):
        bins = [bins] * width
    if len(bins) != width:
        raise RuntimeError("torch.histogramdd: The size of bins must be equal to the innermost "
                           "dimension of the input.")
    edges, places, inside = [], [], None
    for d, count in enumerate(bins):
        column = rows[:, d].contiguous()
        if not hasattr(count, "shape"):
            limits = range[2 * d:2 * d + 2] if range is not None else None
            line = rushlight.histogram(column, count, range=limits).bin_edges
        else:
            line = count
        last = line.shape[0] - 1
        place = rushlight.searchsorted(line, column, right=True) - 1
        place = place - (column == line[-1]).to(place.dtype)
        # Edges need not be sorted; a number outside the first and the last one is never counted.
        fits = (place >= 0) & (place < last) & (column >= line[0]) & (column <= line[-1])
        inside = fits if inside is None else inside & fits
        edges.append(line)
        places.append(place.clamp(0, last - 1))
    sizes = [line.shape[0] - 1 for line in edges]
    flat = rushlight.zeros(rows.shape[0], dtype=rushlight.int64)
    for place, size in zip(places, sizes):
        flat = flat * size + place
    share = rushlight.ones(rows.shape[0], dtype=input.dtype) if weight is None else \
        weight.reshape(-1)
    total = 1
    for size in sizes:
        total *= size
    hist = rushlight.zeros(total, dtype=input.dtype).index_add(
        0, flat, rushlight.where(inside, share, 0)).reshape(sizes)
    if density:
        hist = hist / hist.sum()
        for d, line in enumerate(edges):
            shape = [1] * width
            shape[d] = -1
            hist = hist / line.diff().reshape(shape)
    return _HISTOGRAMDD((hist, tuple(edges)))


# ---- names that are known and missing -----------------------------------------------------------

def _missing(name):
    def refuse(*_, **__):
        raise NotImplementedError(f"torch.{name} is not implemented in rushlight")
    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Not implemented: torch.{name} raises NotImplementedError."
    export("torch")(refuse)


for _name in ("from_file", "hash_tensor", "lobpcg", "segment_reduce", "while_loop"):
    _missing(_name)
