"""Record how PyTorch prints tensors: writes tests/data/printing.json. Needs PyTorch installed.

    python tools/record_printing.py [--cases 320] [--seed 0]

Every case holds the raw elements, the dtype, the print options and PyTorch's text, so that the
tests compare character for character without PyTorch.
"""

import argparse
import base64
import json
import pathlib
import random

import numpy as np
import torch

TARGET = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "printing.json"
INTEGERS = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES = [*INTEGERS, "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
SPECIAL = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0]


def numbers(rng, count):
    """Draw float64 numbers of one of the kinds that the notation depends on."""
    state = np.random.RandomState(rng.randrange(2**31))
    corners = [1.0, 2.5, -3.0, 1000.0, 1e-4, 1e8, 0.99995, 1001.0, -0.0, 99999.5]
    values = [
        lambda: state.randn(count),
        lambda: state.randint(-100, 100, count).astype(float),
        lambda: state.randn(count) * 10.0 ** state.randint(-6, 9),
        lambda: state.randn(count) * 10.0 ** state.uniform(-10, 10, count),
        lambda: np.zeros(count),
        lambda: state.randint(-5, 5, count) * 10.0 ** state.randint(0, 12),
        lambda: state.rand(count),
        lambda: np.full(count, rng.choice(SPECIAL + corners)),
        lambda: state.choice(corners, count),
    ][rng.randrange(9)]()
    if count and rng.random() < 0.3:
        for _ in range(rng.randrange(1, 4)):
            values[rng.randrange(count)] = rng.choice(SPECIAL)
    return values


def options_of(rng):
    options = {}
    if rng.random() < 0.5:
        choices = {
            "precision": [0, 1, 2, 3, 6, 8],
            "threshold": [0, 1, 5, 10, 100],
            "edgeitems": [0, 1, 2, 3, 5],
            "linewidth": [1, 10, 20, 40, 80, 120],
            "sci_mode": [True, False],
        }
        for name, values in choices.items():
            if rng.random() < 0.45:
                options[name] = rng.choice(values)
    options["profile"] = rng.choice(["default", "default", "default", "short", "full"])
    return options


def case(rng, number):
    name = DTYPES[number % len(DTYPES)]
    dtype = getattr(torch, name)
    dims = rng.choice([0, 1, 1, 1, 2, 2, 3, 4])
    large = rng.random() < 0.06
    limit = {0: 1, 1: 1500 if large else 25, 2: 45 if large else 7, 3: 4, 4: 3}[dims]
    shape = [
        limit if large else rng.randrange(0 if rng.random() < 0.1 else 1, limit + 1)
        for _ in range(dims)
    ]
    count = int(np.prod(shape))
    values = numbers(rng, count)
    if dtype.is_complex:
        with np.errstate(all="ignore"):
            values = values + 1j * numbers(rng, count)
    with np.errstate(all="ignore"):
        storable = values.astype({"bool": bool, "bfloat16": np.float32}.get(name, name))
    tensor = torch.from_numpy(storable.reshape(shape)).to(dtype)
    raw = base64.b64encode(tensor.reshape(-1).view(torch.uint8).numpy().tobytes()).decode()
    default = rng.choice(["float32", "float32", "float64"])
    options = options_of(rng)
    torch.set_default_dtype(getattr(torch, default))
    torch.set_printoptions(**options)
    record = {"dtype": name, "shape": shape, "data": raw, "options": options}
    record["default_dtype"] = default
    record["text"] = repr(tensor)
    if dtype.is_floating_point or dtype.is_complex:
        leaf = tensor.clone().requires_grad_()
        record["text_requires_grad"] = repr(leaf)
        record["text_clone"] = repr(leaf.clone())
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    cases = [case(rng, number) for number in range(arguments.cases)]
    document = {"pytorch": torch.__version__.split("+")[0], "cases": cases}
    lines = ",\n".join(json.dumps(entry) for entry in document.pop("cases"))
    head = json.dumps(document)[:-1]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(head + ', "cases": [\n' + lines + "\n]}\n", encoding="utf-8")
    print(f"{len(cases)} cases, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
