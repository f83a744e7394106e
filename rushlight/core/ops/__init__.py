"""Room 2: one record per op: type rule, body, derivative, facts. One family per file.

Importing this package registers every op. `MODULES` is the list of families; adding a file means
adding its name here.
"""

from importlib import import_module

MODULES = (
    "activations",
    "adaptive_pooling",
    "arithmetic",
    "attention",
    "binary_math",
    "comparison",
    "contraction",
    "convolution",
    "distances",
    "embedding",
    "folding",
    "gather_scatter",
    "grid",
    "indexing",
    "interpolation",
    "joining",
    "linear",
    "losses_core",
    "losses",
    "memory",
    "movement",
    "normalization",
    "padding",
    "pooling",
    "products",
    "quantiles",
    "random",
    "recurrent",
    "reductions",
    "sorting",
    "statistics",
    "softmax",
    "unary",
    "unary_math",
    "views",
)

for _name in MODULES:  # registers them
    import_module("." + _name, __name__)


def load_all() -> None:
    """Register every op, also of the families that otherwise wait to be used."""
    from pkgutil import iter_modules
    for module in iter_modules(__path__):
        import_module("." + module.name, __name__)
