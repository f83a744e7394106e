"""Room 2: one record per op: type rule, body, derivative, facts. One family per file.

Importing this package registers every op. `MODULES` is the list of families; adding a file means
adding its name here.
"""

from importlib import import_module

MODULES = (
    "activations",
    "adaptive_pooling",
    "arithmetic",
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
