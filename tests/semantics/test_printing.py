"""Printed text equals PyTorch's, character for character (recorded by tools/record_printing.py)."""

import base64
import json
import pathlib

import ml_dtypes
import numpy as np
import pytest

from rushlight.core.tensor import printing

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "data" / "printing.json"
CASES = json.loads(RECORDED.read_text(encoding="utf-8"))["cases"]
COMPLEX_OF = {"float32": "complex64", "float64": "complex128"}


@pytest.fixture(autouse=True)
def default_options():
    printing.set_printoptions(profile="default")
    yield
    printing.set_printoptions(profile="default")


def array_of(case):
    dtype = ml_dtypes.bfloat16 if case["dtype"] == "bfloat16" else case["dtype"]
    raw = base64.b64decode(case["data"])
    return np.frombuffer(raw, dtype=dtype).reshape(case["shape"])


def text_of(case, *suffixes):
    name, default = case["dtype"], case["default_dtype"]
    return printing.format_tensor(
        array_of(case),
        dtype_name="torch." + name,
        is_default_dtype=name == default,
        is_usual_dtype=name in (default, COMPLEX_OF[default], "int64", "bool"),
        trailing_suffixes=suffixes,
    )


@pytest.mark.parametrize("number", range(len(CASES)))
def test_recorded(number):
    case = CASES[number]
    printing.set_printoptions(**case["options"])
    assert text_of(case) == case["text"]
    if "text_clone" in case:
        assert text_of(case, "requires_grad=True") == case["text_requires_grad"]
        assert text_of(case, "grad_fn=<CloneBackward0>") == case["text_clone"]


def show(values, dtype="float32", **settings):
    printing.set_printoptions(**settings)
    return printing.format_tensor(
        np.asarray(values, dtype=dtype),
        dtype_name="torch." + dtype,
        is_default_dtype=dtype == "float32",
        is_usual_dtype=dtype in ("float32", "int64", "bool", "complex64"),
    )


def test_whole_numbers_keep_a_bare_point():
    assert show([1, -20, 300]) == "tensor([  1., -20., 300.])"


def test_a_nan_does_not_widen_the_column():
    assert show([1, np.nan]) == "tensor([1., nan])"
    assert show([1.5, -np.inf]) == "tensor([1.5000,   -inf])"


def test_range_wider_than_a_thousand_is_scientific():
    assert show([1.5, 1501]) == "tensor([1.5000e+00, 1.5010e+03])"
    assert show([1.5, 1500]) == "tensor([   1.5000, 1500.0000])"


def test_zeros_are_one_character_wide_when_lines_are_broken():
    # A row of zeros is broken after 24, not 18: with nothing to measure, the width is 1.
    first = show(np.zeros(40)).splitlines()[0]
    assert first.count("0.") == 24


def test_summary_of_a_large_matrix():
    assert show(np.arange(2000.0).reshape(2, 1000)) == (
        "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.9700e+02, 9.9800e+02,\n"
        "         9.9900e+02],\n"
        "        [1.0000e+03, 1.0010e+03, 1.0020e+03,  ..., 1.9970e+03, 1.9980e+03,\n"
        "         1.9990e+03]])"
    )


def test_edgeitems_zero_shows_the_size():
    assert show(np.zeros((3, 4)), threshold=2, edgeitems=0) == "tensor([...], size=(3, 4))"


def test_empty_and_without_data():
    assert show(np.zeros((0, 3))) == "tensor([], size=(0, 3))"
    assert show(np.zeros(0), dtype="int64") == "tensor([], dtype=torch.int64)"
    text = printing.format_tensor(
        None,
        dtype_name="torch.float64",
        is_default_dtype=False,
        is_usual_dtype=False,
        leading_suffixes=["device='meta'"],
        shape=(2,),
    )
    assert text == "tensor(..., device='meta', size=(2,), dtype=torch.float64)"


def test_profiles_and_overrides():
    printing.set_printoptions(profile="short")
    options = printing.get_printoptions()
    assert (options.precision, options.edgeitems) == (2, 2)
    printing.set_printoptions(profile="full", linewidth=100)
    assert options.threshold == float("inf")
    assert (options.precision, options.linewidth) == (4, 100)
    printing.set_printoptions(sci_mode=True)
    assert options.linewidth == 100 and options.sci_mode is True
    printing.set_printoptions(precision=3)
    assert options.sci_mode is None


def test_context_manager_restores():
    with printing.printoptions(precision=2, sci_mode=True):
        assert show([1.0], precision=2, sci_mode=True) == "tensor([1.00e+00])"
    assert printing.get_printoptions().precision == 4
    assert printing.get_printoptions().sci_mode is None
