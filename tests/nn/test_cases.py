"""The programs in cases_*.py give what PyTorch 2.13 gave: values, texts, errors, warnings."""

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.nn import cases, cases_layers, cases_modules, cases_utils

ARCHIVE = Path(__file__).parents[1] / "data" / "nn" / "cases.npz"
MODULES = (cases_layers, cases_modules, cases_utils)

ERROR = re.compile(r"[\"']?[A-Z]\w*(Error|Exception): ")

# Relative and absolute tolerance.
TOLERANCE = (1e-4, 1e-5)


def names():
    """The names of all cases, in the order of their files."""
    return list(cases.CASES)


@functools.cache
def recorded():
    """The archive, and its texts."""
    archive = np.load(ARCHIVE)
    return archive, json.loads(str(archive["texts"]))


def comparable(text):
    """A text without addresses, and with PyTorch's name for the package."""
    return re.sub(r"0x[0-9a-f]{6,}", "0x", text).replace("rushlight.nn.", "torch.nn.")


@pytest.mark.parametrize("name", names())
def test_case_agrees_with_pytorch(name):
    import rushlight

    archive, texts = recorded()
    tensors, found = cases.run(rushlight, name)
    assert len(found) == len(texts[name])
    for ours, theirs in zip(found, texts[name]):
        ours, theirs = comparable(ours), comparable(theirs)
        # An error starts as PyTorch's does, and may go on with the remedy.
        taught = ERROR.match(theirs) and ours.rstrip("'\"").startswith(theirs.rstrip("'\""))
        assert ours == theirs or taught
    relative, absolute = TOLERANCE
    for number, tensor in enumerate(tensors):
        wanted = archive[f"{name}/{number}"]
        array = tensor.detach()
        array = array.float() if array.dtype == rushlight.bfloat16 else array
        array = array.numpy()
        assert array.dtype == wanted.dtype, number
        np.testing.assert_allclose(array, wanted, relative, absolute, err_msg=f"tensor {number}")


def test_every_recorded_case_is_run():
    assert set(recorded()[1]) == set(names())
