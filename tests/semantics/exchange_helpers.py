"""What the lines of tests/data/exchange.json may use, and how an outcome is written as text."""

import math


class Index:
    def __index__(self):
        return 3


class Float:
    def __float__(self):
        return 2.5


class Row:
    """A sequence that is neither a list nor a tuple."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def names(torch, np):
    """The names that a line may use."""
    numbers = {"nan": math.nan, "inf": math.inf, "math": math}
    return {"torch": torch, "T": torch.tensor, "np": np, **numbers, **CLASSES}


CLASSES = {"Index": Index, "Float": Float, "Row": Row}


def outcome(call, known):
    """The type and text of the value of `call`, or of the error it raises."""
    try:
        value = eval(call, dict(known))
    except Exception as error:
        text = " ".join(str(error).split())
        return f"{type(error).__name__}: {text}"
    return f"{type(value).__name__} {value!r}"
