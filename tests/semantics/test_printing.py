"""Printed text equals PyTorch's, character for character (recorded by tools/record_printing.py)."""

import base64
import json
import pathlib

import ml_dtypes
import numpy as np
import pytest

import rushlight as torch
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


# The same cases, and more, through real tensors.


@pytest.fixture
def default_dtype():
    yield torch.set_default_dtype
    torch.set_default_dtype(torch.float32)


def tensor_of(case):
    data = bytearray(base64.b64decode(case["data"]))
    dtype = getattr(torch, case["dtype"])
    if not data:
        return torch.zeros(case["shape"], dtype=dtype)
    return torch.frombuffer(data, dtype=dtype).clone().reshape(case["shape"])


@pytest.mark.parametrize("number", range(0, len(CASES), 3))
def test_recorded_with_tensors(number, default_dtype):
    case = CASES[number]
    tensor = tensor_of(case)
    default_dtype(getattr(torch, case["default_dtype"]))
    torch.set_printoptions(**case["options"])
    assert repr(tensor) == case["text"]
    if "text_clone" in case:
        leaf = tensor.requires_grad_()
        assert str(leaf) == case["text_requires_grad"]
        assert repr(leaf.clone()) == case["text_clone"]


class Labelled(torch.Tensor):
    """A subclass is printed under its own name."""


def test_parameters_and_subclasses():
    parameter = torch.nn.Parameter(torch.zeros(2))
    assert repr(parameter) == "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
    assert repr(torch.zeros(2).as_subclass(Labelled)) == "Labelled([0., 0.])"


def test_results_show_what_made_them():
    leaf = torch.ones(2, requires_grad=True)
    assert repr(leaf * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr((leaf * 2).detach()) == "tensor([2., 2.])"
    assert repr(leaf[0]) == "tensor(1., grad_fn=<SelectBackward0>)"
    long = leaf.expand(8, 2).reshape(16)
    assert repr(long) == (
        "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.],\n"
        "       grad_fn=<UnsafeViewBackward0>)"
    )


def test_printing_does_not_share_the_memory():
    tensor = torch.zeros(3)
    repr(tensor)
    assert tensor.untyped_storage().exposed is None


def test_format():
    assert f"{torch.tensor(3.14159):.2f}" == "3.14"
    assert f"{torch.tensor(5):>4d}" == "   5"
    assert f"{torch.tensor([1.5])}" == "tensor([1.5000])"
    assert f"{torch.tensor(1.5)}" == "1.5"
    assert f"{torch.nn.Parameter(torch.tensor(1.5))}".startswith("Parameter containing:")
    for tensor in (torch.tensor([1.5]), torch.nn.Parameter(torch.tensor(1.5))):
        with pytest.raises(TypeError, match="unsupported format string passed to"):
            format(tensor, ".2f")


def test_sizes_and_names():
    assert repr(torch.Size([])) == "torch.Size([])"
    assert str(torch.zeros(2, 3).shape) == "torch.Size([2, 3])"
    assert repr(torch.float32) == "torch.float32"
    assert repr(torch.device("cuda:1")) == "device(type='cuda', index=1)"
    assert repr(torch.strided) == "torch.strided"
