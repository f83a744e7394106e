"""The alphabet of scalar words that pointwise bodies are written in.

A backend gives one handler object with these methods; a body is a function of a handler. NumPy's
handler is `rushlight.core.interpreter.words.NumpyWords`.
"""

WORDS = (
    # arithmetic
    "add", "sub", "mul", "div", "fma", "neg", "abs", "sign", "floordiv", "mod", "fmod", "pow",
    # rounding
    "floor", "ceil", "trunc", "round",
    # comparison and selection
    "eq", "ne", "lt", "le", "gt", "ge", "select", "maximum", "minimum", "fmax", "fmin",
    # logic and bits
    "logical_and", "logical_or", "logical_xor", "logical_not",
    "bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right",
    # transcendental
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal",
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "erf", "erfc", "erfinv", "lgamma", "digamma", "hypot", "copysign", "nextafter",
    # classification
    "isnan", "isinf", "isfinite", "signbit",
    # complex
    "real", "imag", "conj", "complex",
    # conversion
    "cast",
)
