"""Record PyTorch's CPU random numbers for tests/ops/test_random_draws.py (needs torch 2.13).

    python tools/record_rng.py [tests/data/rng/draws.json]

Each sequence starts from a seed and makes draws of mixed kinds one after the other, so that a draw
that consumes one word too many spoils everything after it. A draw's bits are kept in hex when
short and as SHA-256 when long; the generator's state after it as SHA-256.
"""

import hashlib
import json
import random
import sys

import torch

COUNTS = [1, 2, 3, 7, 15, 16, 17, 31, 32, 100, 623, 625, 1000, 4001]
FLOATS = ["float32", "float32", "float64", "float16", "bfloat16"]
INTEGER_LIMITS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "float32": (-(2**24), 2**24),
    "float64": (-(2**53), 2**53),
    "float16": (-(2**11), 2**11),
    "bfloat16": (-256, 256),
}


def empty(draw):
    return torch.empty(draw["count"], dtype=getattr(torch, draw["dtype"]))


def parameters(draw, low, high):
    """Parameter arrays that the test can rebuild without torch: an even spread over a range."""
    steps = torch.arange(1, draw["count"] + 1, dtype=torch.float64) / (draw["count"] + 1)
    return (low + (high - low) * steps).to(getattr(torch, draw["dtype"]))


DRAWS = {
    "uniform": lambda d: empty(d).uniform_(*d["arguments"]),
    "normal": lambda d: empty(d).normal_(*d["arguments"]),
    "strided_normal": lambda d: torch.empty(d["count"] + 1, 2, dtype=getattr(torch, d["dtype"]))[
        : d["count"], 0
    ].normal_(),
    "log_normal": lambda d: empty(d).log_normal_(*d["arguments"]),
    "exponential": lambda d: empty(d).exponential_(*d["arguments"]),
    "cauchy": lambda d: empty(d).cauchy_(*d["arguments"]),
    "geometric": lambda d: empty(d).geometric_(*d["arguments"]),
    "bernoulli": lambda d: empty(d).bernoulli_(*d["arguments"]),
    "bernoulli_tensor": lambda d: torch.bernoulli(parameters(d, 0.0, 1.0)),
    "integers": lambda d: empty(d).random_(*d["arguments"]),
    "full_range": lambda d: empty(d).random_(),
    "permutation": lambda d: torch.randperm(d["count"]),
    "gamma": lambda d: torch._standard_gamma(parameters(d, *d["arguments"])),
    "poisson": lambda d: torch.poisson(parameters(d, *d["arguments"])),
    "binomial": lambda d: torch.binomial(
        parameters(d, *d["arguments"]).floor(), parameters(d, 0.0, 1.0)
    ),
    "multinomial": lambda d: torch.multinomial(parameters(d, 0.1, 1.0), *d["arguments"]),
}


def choose(chooser):
    kind = chooser.choice(sorted(DRAWS))
    draw = {"draw": kind, "dtype": chooser.choice(FLOATS), "count": chooser.choice(COUNTS)}
    number = round(chooser.uniform(-3, 3), 3)
    positive = round(chooser.uniform(0.05, 3), 3)
    share = round(chooser.uniform(0.05, 0.95), 3)
    arguments = []
    if kind in ("uniform", "normal") and chooser.random() < 0.6:
        arguments = [number, number + positive if kind == "uniform" else positive]
    elif kind in ("log_normal", "cauchy"):
        arguments = [number, positive]
    elif kind == "exponential":
        arguments = [positive]
    elif kind in ("geometric", "bernoulli"):
        arguments = [share]
        draw["dtype"] = chooser.choice(FLOATS + ["int64", "uint8"])
    elif kind == "integers":
        draw["dtype"] = chooser.choice(sorted(INTEGER_LIMITS))
        low, high = INTEGER_LIMITS[draw["dtype"]]
        if chooser.random() < 0.5:
            low, high = max(low, -10), min(high, 100)
        low = chooser.randint(low, high - 1)
        arguments = [low, chooser.randint(low + 1, high)]
    elif kind == "full_range":
        draw["dtype"] = chooser.choice(sorted(INTEGER_LIMITS) + ["bool"])
    elif kind == "permutation":
        draw["dtype"] = "int64"
    elif kind in ("gamma", "poisson", "binomial"):
        draw["dtype"] = chooser.choice(["float32", "float64"])
        draw["count"] = min(draw["count"], 1000)
        arguments = chooser.choice([[0.05, 0.9], [1.0, 9.0], [5.0, 300.0]])
    elif kind == "multinomial":
        draw["dtype"] = chooser.choice(["float32", "float64"])
        arguments = [chooser.randint(1, draw["count"]), chooser.random() < 0.5]
    draw["arguments"] = arguments
    return draw


def digest(data):
    return hashlib.sha256(data).hexdigest()


def as_bytes(tensor):
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.contiguous().numpy().tobytes()


def record():
    chooser = random.Random(2024)
    sequences = []
    for seed in [0, 1, 42, -7, 2**40 + 3, *(chooser.getrandbits(64) for _ in range(25))]:
        torch.manual_seed(seed)
        draws = []
        for _ in range(12):
            draw = choose(chooser)
            data = as_bytes(DRAWS[draw["draw"]](draw))
            draw["bits"] = data.hex() if len(data) <= 128 else digest(data)
            draw["state"] = digest(torch.get_rng_state().numpy().tobytes())
            draws.append(draw)
        sequences.append({"seed": seed, "draws": draws})
    return {"torch": torch.__version__.split("+")[0], "sequences": sequences}


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/data/rng/draws.json"
    with open(path, "w", encoding="utf-8") as file:
        recorded = record()
        file.write('{"torch": ' + json.dumps(recorded["torch"]) + ', "sequences": [\n')
        lines = (json.dumps(s, separators=(",", ":")) for s in recorded["sequences"])
        file.write(",\n".join(lines) + "\n]}\n")
    print(f"wrote {path}")
