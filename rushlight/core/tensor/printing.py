"""How a tensor is written as text: the numbers, the brackets around them, and what follows.

Everything down to `format_tensor` is a pure function of NumPy data and metadata. `tensor_repr` is
the one function that looks at a Tensor, and only through its public attributes.

The rules, in the order in which they are applied:

1. A tensor of more than `threshold` elements shows `edgeitems` entries at both ends of every
   dimension; the entries that are shown, and no others, choose the notation.
2. One notation for the whole tensor: whole numbers keep a bare point (`1.`), a range wider than
   1000:1 or beyond 1e8 (and below 1e-4, for fractions) is scientific, the rest has `precision`
   digits. Every number is right-aligned to the widest finite nonzero one.
3. A row is broken where the next number would pass `linewidth`; an outer dimension adds one blank
   line per level.
4. Suffixes (device, size, dtype, grad_fn, requires_grad) follow, each on a new line if the current
   one is full.
"""

import numpy as np

__all__ = ["PrintOptions", "format_tensor", "get_printoptions", "set_printoptions", "tensor_repr"]


class PrintOptions:
    """The settings that `set_printoptions` changes, with PyTorch's defaults."""

    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(self, precision=4, threshold=1000, edgeitems=3, linewidth=80, sci_mode=None):
        self.precision = precision
        self.threshold = threshold
        self.edgeitems = edgeitems
        self.linewidth = linewidth
        self.sci_mode = sci_mode

    def __repr__(self):
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"PrintOptions({fields})"


_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}

_current = PrintOptions()


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Set how tensors are printed from now on.

    `precision` is the number of digits after the point (4), `threshold` the number of elements
    above which a tensor is summarised (1000), `edgeitems` how many entries a summary keeps at each
    end of a dimension (3), `linewidth` the number of characters in a line (80). `profile` is one of
    "default", "short" and "full"; the other arguments override it. `sci_mode` forces scientific
    notation on or off; None, also when it is left out, lets each tensor choose.

    Example::

        >>> torch.set_printoptions(precision=2)
        >>> torch.tensor([1.12345])
        tensor([1.12])
    """
    for name, value in _PROFILES[profile].items() if profile in _PROFILES else ():
        setattr(_current, name, value)
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    for name, value in given.items():
        if value is not None:
            setattr(_current, name, value)
    _current.sci_mode = sci_mode


def get_printoptions():
    """Return the settings in use; the object is live, not a copy."""
    return _current


class printoptions:
    """Context manager: `set_printoptions(**settings)` inside, the former settings after."""

    def __init__(self, **settings):
        self._settings = settings
        self._saved = []

    def __enter__(self):
        self._saved.append({name: getattr(_current, name) for name in PrintOptions.__slots__})
        set_printoptions(**self._settings)
        return _current

    def __exit__(self, *exception):
        for name, value in self._saved.pop().items():
            setattr(_current, name, value)


class _Notation:
    """How every number of one tensor is written: `text(value)` has at least `width` characters."""

    __slots__ = ("text", "width")

    def __init__(self, text, width):
        self.text = text
        self.width = width


def _literal_notation(values):
    """Integers and booleans, written as Python writes them and aligned to the longest."""
    width = max((len(str(value)) for value in values.ravel().tolist()), default=0)
    return _Notation(lambda value: str(value).rjust(width), width)


def _real_notation(values, options):
    """Choose between `1.`, `1.2500` and `1.2500e+00` for the floating point numbers shown.

    Only finite nonzero numbers take part in the choice, and in the width: a zero, an inf or a nan
    that is wider than all of them sticks out, and with none of them the width is 1.
    """
    finite = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    precision = options.precision
    whole, scientific, shown = True, False, ()
    if finite.size:
        magnitude = np.abs(finite)
        largest, smallest = float(magnitude.max()), float(magnitude.min())
        whole = bool((finite == np.ceil(finite)).all())
        wide = largest / smallest > 1000.0 or largest > 1.0e8
        scientific = wide or (smallest < 1.0e-4 and not whole)
        shown = finite.tolist()
    if options.sci_mode is not None and finite.size:
        scientific = bool(options.sci_mode)

    if scientific:
        specification = f".{precision}e"
    else:
        specification = ".0f" if whole else f".{precision}f"
    point = 1 if whole and not scientific else 0
    width = max((len(format(value, specification)) + point for value in shown), default=1)

    if point:

        def text(value):
            # A subtraction of the value from itself is 0 for finite numbers alone.
            digits = format(value, ".0f")
            return (digits + "." if value - value == 0 else digits).rjust(width)
    else:

        def text(value):
            return format(value, specification).rjust(width)

    return _Notation(text, width)


def _complex_notation(values, options):
    """Real and imaginary parts each have a notation of their own."""
    real = _real_notation(values.real, options)
    imaginary = _real_notation(values.imag, options)

    def text(value):
        tail = imaginary.text(value.imag).lstrip() + "j"
        sign = "" if tail[0] in "+-" else "+"
        return real.text(value.real) + sign + tail

    return _Notation(text, real.width + imaginary.width + 1)


def _as_printed(array):
    """Widen what NumPy cannot compute with natively (float16, ml_dtypes) to float32."""
    kind = array.dtype.kind
    if kind in "biuc" or array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32)


def _notation_of(values, options):
    kind = values.dtype.kind
    if kind in "biu":
        return _literal_notation(values)
    if kind == "c":
        return _complex_notation(values, options)
    return _real_notation(values, options)


def _summary(array, options):
    """Return the entries that are shown, and for every dimension whether some are left out."""
    edge = options.edgeitems
    if array.size <= options.threshold:
        return array, [False] * array.ndim
    cuts = [size > 2 * edge for size in array.shape]
    for axis, cut in enumerate(cuts):
        if cut:
            size = array.shape[axis]
            array = array.take([*range(edge), *range(size - edge, size)], axis=axis)
    return array, cuts


def _row(array, cut, indent, notation, options):
    """Write one innermost dimension, broken into lines of at most `linewidth` characters."""
    words = [notation.text(value) for value in array.tolist()]
    if cut:
        words.insert(len(words) // 2, " ...")
    per_line = max(1, (options.linewidth - indent) // (notation.width + 2))
    lines = [", ".join(words[at : at + per_line]) for at in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _body(array, cuts, indent, notation, options):
    """Write the nested brackets of `array`, the opening one standing at column `indent`."""
    if array.ndim == 0:
        return notation.text(array.item())
    if array.ndim == 1:
        return _row(array, cuts[0], indent, notation, options)
    blocks = [_body(part, cuts[1:], indent + 1, notation, options) for part in array]
    if cuts[0]:
        blocks.insert(len(blocks) // 2, "...")
    between = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + between.join(blocks) + "]"


def _with_suffixes(text, suffixes, indent, linewidth):
    """Append `, suffix` for each suffix, starting a new line where it would be too long."""
    parts = [text]
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > linewidth:
            parts.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(parts) + ")"


def _size_suffix(shape):
    return "size=" + str(tuple(int(size) for size in shape))


def format_tensor(
    array,
    *,
    dtype_name,
    is_default_dtype,
    is_usual_dtype,
    leading_suffixes=(),
    trailing_suffixes=(),
    prefix="tensor(",
    shape=None,
    options=None,
):
    """Write one tensor as PyTorch does.

    `array` holds its elements, or is None for a tensor without data (then `shape` says its size).
    `is_default_dtype` is true for the default floating point type, `is_usual_dtype` also for those
    whose name is not shown after elements (bool, int64, the matching complex type).
    `leading_suffixes` stand before size and dtype, `trailing_suffixes` after.

    Example::

        >>> format_tensor(np.eye(2, dtype=np.float32), dtype_name="torch.float32",
        ...               is_default_dtype=True, is_usual_dtype=True)
        'tensor([[1., 0.],\\n        [0., 1.]])'
    """
    options = options or _current
    indent = len(prefix)
    suffixes = list(leading_suffixes)
    dtype_suffix = "dtype=" + dtype_name
    if array is None:
        text = "..."
        suffixes.append(_size_suffix(shape))
        if not is_default_dtype:
            suffixes.append(dtype_suffix)
    elif array.size == 0:
        text = "[]"
        if array.ndim != 1:
            suffixes.append(_size_suffix(array.shape))
        if not is_default_dtype:
            suffixes.append(dtype_suffix)
    else:
        shown, cuts = _summary(array, options)
        if shown.size:
            shown = _as_printed(shown)
            text = _body(shown, cuts, indent, _notation_of(shown, options), options)
        else:
            text = "[...]"
        if options.edgeitems == 0:
            suffixes.append(_size_suffix(array.shape))
        if not is_usual_dtype:
            suffixes.append(dtype_suffix)
    suffixes.extend(trailing_suffixes)
    return _with_suffixes(prefix + text, suffixes, indent, options.linewidth)


def _defaults(default_dtype):
    """The default dtype, and the other one whose name is not shown: its complex type."""
    if default_dtype is None:
        from ..base.dtypes import get_default_dtype

        default_dtype = get_default_dtype()
    name = str(default_dtype)
    return name, "torch.complex128" if name == "torch.float64" else "torch.complex64"


def _is_plain(tensor):
    from .dispatch import PLAIN

    return type(tensor) in PLAIN


def tensor_repr(tensor, *, read=None, plain=None, default_dtype=None):
    """Write a Tensor, looking only at its public attributes.

    `read(tensor)` returns its elements as a NumPy array that is not written to. `plain` is false
    for a subclass, which is shown under its own name.

    Example::

        >>> repr(torch.tensor([1.0], requires_grad=True) * 2)
        'tensor([2.], grad_fn=<MulBackward0>)'
    """
    dtype_name = str(tensor.dtype)
    default, complex_default = _defaults(default_dtype)
    if plain is None:
        plain = _is_plain(tensor)
    leading = []
    is_meta = tensor.device.type == "meta"
    if tensor.device.type != "cpu":
        leading.append("device='" + str(tensor.device) + "'")
    trailing = []
    try:
        grad_fn = tensor.grad_fn
        node_name = None if grad_fn is None else type(grad_fn).__name__
    except RuntimeError:
        # A view whose history cannot be rewritten refuses to tell; printing must not fail.
        node_name = "Invalid"
    if node_name is not None:
        trailing.append(f"grad_fn=<{node_name}>")
    elif tensor.requires_grad:
        trailing.append("requires_grad=True")
    array = None
    if not is_meta:
        array = tensor._array("print()") if read is None else read(tensor)
    return format_tensor(
        array,
        dtype_name=dtype_name,
        is_default_dtype=dtype_name == default,
        is_usual_dtype=dtype_name in (default, complex_default, "torch.int64", "torch.bool"),
        leading_suffixes=leading,
        trailing_suffixes=trailing,
        prefix="tensor(" if plain else type(tensor).__name__ + "(",
        shape=tuple(tensor.shape),
    )
