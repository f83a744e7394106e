"""The examples in the docstrings of rushlight.vision do what they say."""

import doctest
import importlib
import pkgutil

import pytest

from rushlight import vision

pytest.importorskip("PIL")

MODULES = ["rushlight.vision"] + [
    module.name for module in pkgutil.walk_packages(vision.__path__, "rushlight.vision.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    counts = [len(t.examples) for name in MODULES
              for t in finder.find(importlib.import_module(name))]  # fmt: skip
    assert sum(counts) >= 40
