"""Notes 2.2.5: detach, detach_ and .data share memory; only writes after detach are noticed."""

import pytest

from tests.notes.subject import REFERENCE, run_notes, torch


def leaf():
    return torch.tensor([1, 2, 3.0], requires_grad=True)


def test_detach_makes_a_new_tensor_over_the_same_memory():
    a = leaf()
    out = a.sigmoid()
    c = out.detach()
    assert c is not out and c.data_ptr() == out.data_ptr()
    assert not c.requires_grad and c.grad_fn is None and c.is_leaf
    assert out.requires_grad


def test_detach_in_place_changes_the_tensor_itself():
    a = leaf()
    out = a.sigmoid()
    assert out.detach_() is out
    assert not out.requires_grad and out.is_leaf and out.grad_fn is None
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        out.sum().backward()


def test_data_shares_memory_too():
    a = leaf()
    c = a.data
    assert not c.requires_grad and c.data_ptr() == a.data_ptr()
    c[0] = 9
    assert a.tolist() == [9.0, 2.0, 3.0]


def test_no_gradient_reaches_the_original_through_either():
    for cut in (lambda t: t.detach(), lambda t: t.data):
        a = leaf()
        c = cut(a * 2).requires_grad_(True)
        (c * 3).sum().backward()
        assert c.grad.tolist() == [3.0] * 3 and a.grad is None


def test_notes_block_detach_without_changes():
    scope, _ = run_notes(
        """
import torch
a = torch.tensor([1, 2, 3.], requires_grad=True)
out = a.sigmoid()
c = out.detach()
out.sum().backward()
"""
    )
    s = 1 / (1 + torch.exp(-torch.tensor([1, 2, 3.0])))
    assert torch.allclose(scope["a"].grad, s * (1 - s))


def test_detach_and_data_differ_in_the_version_counter():
    a = leaf()
    out = a.sigmoid()
    before = out._version
    out.detach().add_(1)
    assert out._version == before + 1
    out.data.add_(1)
    assert out._version == before + 1


NOTES_DETACH = """
import torch

a = torch.tensor([1, 2, 3.], requires_grad=True)
out = a.sigmoid()
c = out.detach()

c.zero_()
print(c)
print(out)
out.sum().backward()
"""


def test_notes_block_a_change_after_detach_is_noticed():
    with pytest.raises(
        RuntimeError,
        match="one of the variables needed for gradient computation has been modified by an "
        "inplace operation",
    ) as caught:
        run_notes(NOTES_DETACH)
    text = str(caught.value)
    assert "[torch.FloatTensor [3]], which is output 0 of Sigmoid" in text
    assert "is at version 1; expected version 0 instead" in text


def test_the_printed_values_before_the_error():
    scope, printed = run_notes(NOTES_DETACH.rpartition("out.sum()")[0])
    assert printed == ("tensor([0., 0., 0.])\ntensor([0., 0., 0.], grad_fn=<SigmoidBackward0>)\n")


@pytest.mark.skipif(REFERENCE, reason="PyTorch does not name the line that changed the value")
def test_the_error_names_the_line_that_changed_the_value():
    a = leaf()
    out = a.sigmoid()
    c = out.detach()
    c.zero_()  # the changing line
    with pytest.raises(RuntimeError) as caught:
        out.sum().backward()
    text = str(caught.value)
    assert "test_2_2_5_detach.py" in text and "c.zero_()" in text


NOTES_DATA = """
import torch

a = torch.tensor([1, 2, 3.], requires_grad=True)
out = a.sigmoid()
c = out.data

c.zero_()
print(c, out)
out.sum().backward()
print(a.grad) # tensor([0., 0., 0.])
"""


def test_notes_block_a_change_through_data_goes_unnoticed():
    _, printed = run_notes(NOTES_DATA)
    assert printed == (
        "tensor([0., 0., 0.]) tensor([0., 0., 0.], grad_fn=<SigmoidBackward0>)\n"
        "tensor([0., 0., 0.])\n"
    )


def test_operations_that_do_not_need_the_value_do_not_mind():
    a = leaf()
    out = a * 2
    out.detach().zero_()
    out.sum().backward()
    assert a.grad.tolist() == [2.0] * 3


def test_changing_an_input_that_was_saved():
    a, b = leaf(), leaf()
    product = (a * 1) * (saved := b * 1)
    saved.add_(1)
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0 instead"):
        product.sum().backward()
