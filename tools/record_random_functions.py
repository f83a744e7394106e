"""Record what PyTorch's random functions give, for tests/ops/test_random.py (needs torch 2.13).

    python tools/record_random_functions.py [tests/data/rng/functions.json]

Each expression is evaluated right after `torch.manual_seed(SEED)`; its elements are kept in hex
(SHA-256 when long), with shape, strides, dtype and one number drawn afterwards.
"""

import hashlib
import json
import sys

import torch

SEED = 20
FLOATS = ("float32", "float64", "float16", "bfloat16")
SPREAD = "torch.arange(1, 25, dtype=torch.{}).reshape(4, 6)"
STRIDED = (
    "torch.zeros(4, 6, dtype=torch.{}).t()",
    "torch.zeros(4, 6, 2, dtype=torch.{})[..., 1]",
    "torch.zeros(30, dtype=torch.{})[3:20]",
    "torch.zeros(2, 3, 4, 5, dtype=torch.{}).permute(0, 2, 3, 1)",
)


def expressions():
    for dtype in (*FLOATS, "complex64", "complex128"):
        for size in ("()", "(3,)", "(4, 5)", "(33,)", "(0, 2)"):
            yield f"torch.rand({size}, dtype=torch.{dtype})"
            yield f"torch.randn({size}, dtype=torch.{dtype})"
    yield "torch.rand(2, 3)"
    yield "torch.randn(16)"
    yield "torch.rand(3, generator=torch.Generator().manual_seed(3))"
    yield "torch.randn(5, out=torch.empty(5, dtype=torch.float64))"
    for arguments in (
        "10, (7,)",
        "-5, 5, (7,)",
        "low=2, high=9, size=(7,)",
        "0, 2**40, (5,)",
        "-2**62, 2**62, (5,)",
        "0, 200, (9,), dtype=torch.uint8",
        "0, 2, (9,), dtype=torch.bool",
        "0, 2000, (9,), dtype=torch.float16",
        "0, 2**28, (5,), dtype=torch.int32",
    ):
        yield f"torch.randint({arguments})"
    yield "torch.randint_like(torch.zeros(2, 3), 5)"
    yield "torch.randint_like(torch.zeros(2, 3).t(), 5, 9)"
    for size in (0, 1, 2, 10, 700):
        yield f"torch.randperm({size})"
    yield "torch.randperm(100, dtype=torch.int16)"
    yield "torch.randperm(9, dtype=torch.float32)"
    for source in STRIDED:
        yield f"torch.rand_like({source.format('float32')})"
        yield f"torch.randn_like({source.format('float64')})"
        for dtype in FLOATS:
            tensor = source.format(dtype)
            yield f"{tensor}.uniform_(-0.3, 0.7)"
            yield f"{tensor}.normal_(1.0, 0.25)"
            yield f"{tensor}.exponential_(2.0)"
            yield f"{tensor}.cauchy_(0.5, 2.0)"
            yield f"{tensor}.log_normal_(0.5, 0.25)"
            yield f"{tensor}.bernoulli_(0.3)"
            yield f"{tensor}.random_()"
        for dtype in ("int64", "int32", "uint8"):
            tensor = source.format(dtype)
            yield f"{tensor}.random_()"
            yield f"{tensor}.random_(50)"
            yield f"{tensor}.random_(3, None)"
            yield f"{tensor}.geometric_(0.2)"
            yield f"{tensor}.bernoulli_()"
    yield "torch.zeros(4, dtype=torch.int64).random_(-2**63, None)"
    yield "torch.zeros(4, 6).bernoulli_(torch.arange(6) / 6)"
    yield "torch.zeros(6, 4).t().bernoulli_(torch.arange(6).double() / 6)"
    for dtype in FLOATS:
        tensor = SPREAD.format(dtype)
        yield f"torch.bernoulli({tensor} / 24)"
        yield f"torch.bernoulli({tensor}, 0.4)"
        yield f"torch.poisson({tensor})"
        yield f"torch.normal({tensor}, 2.0)"
        yield f"torch.normal({tensor}, {tensor})"
        yield f"torch.normal(0.5, {tensor})"
        yield f"torch.dropout({tensor}, 0.3, True)"
        yield f"torch.nn.functional.dropout2d({tensor}.reshape(2, 6, 2, 1), 0.3)"
        yield f"torch.nn.functional.dropout({tensor}.t(), 0.3)"
        yield f"torch.alpha_dropout({tensor}, 0.3, True)"
        yield f"torch.feature_alpha_dropout({tensor}, 0.3, True)"
    yield "torch.normal(2.0, 3.0, (4, 5))"
    yield "torch.native_dropout(torch.ones(20), 0.3, True)[1]"
    for dtype in ("float32", "float64"):
        tensor = SPREAD.format(dtype)
        yield f"torch.rrelu({tensor} - 12, training=True)"
        yield f"torch.multinomial({tensor}, 1)"
        yield f"torch.multinomial({tensor}, 4)"
        yield f"torch.multinomial({tensor}[0], 9, replacement=True)"
        yield f"torch.binomial({tensor}, {tensor} / 25)"
        yield f"torch._standard_gamma({tensor} / 5)"
    yield "torch._sample_dirichlet(torch.arange(1, 25).reshape(4, 6) / 5)"


def describe(tensor):
    data = tensor.contiguous()
    data = (data.view(torch.int16) if data.dtype == torch.bfloat16 else data).numpy().tobytes()
    return {
        "dtype": str(tensor.dtype),
        "shape": list(tensor.shape),
        "strides": list(tensor.stride()),
        "bits": data.hex() if len(data) <= 64 else hashlib.sha256(data).hexdigest(),
        "next": torch.rand((), dtype=torch.float64).item(),
    }


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/data/rng/functions.json"
    lines = []
    for expression in expressions():
        torch.manual_seed(SEED)
        tensor = eval(expression)
        lines.append(json.dumps({"expression": expression, **describe(tensor)}))
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"wrote {len(lines)} results to {path}")
