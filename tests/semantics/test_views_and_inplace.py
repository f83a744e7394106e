"""Views, versions and in-place changes: base and view stay right, errors are PyTorch's."""

import pytest

import rushlight as torch


def test_views_share_memory_and_version():
    x = torch.zeros(2, 3)
    v = x.t()[1]
    v.add_(1)
    assert x.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert x._version == v._version == 1
    assert v.data_ptr() == x.data_ptr() + 4


def test_strides_offsets_and_contiguity():
    x = torch.arange(24).reshape(2, 3, 4)
    v = x[:, 1:, ::2]
    assert (v.stride(), v.storage_offset(), v.is_contiguous()) == ((12, 4, 2), 4, False)
    assert v.contiguous().stride() == (4, 2, 1)
    assert x.permute(2, 0, 1).stride() == (1, 12, 4)
    assert x.expand(5, 2, 3, 4).stride() == (0, 12, 4, 1)
    with pytest.raises(RuntimeError, match="Use .reshape"):
        x.transpose(0, 2).view(-1)
    assert x.view(-1, 6).shape == (4, 6)
    assert x.unfold(2, 3, 1).shape == (2, 3, 2, 3)
    assert (x.t() if x.dim() == 2 else x.mT).stride() == (12, 1, 4)


def test_results_keep_the_order_of_axes():
    x = torch.zeros(2, 3).t()
    assert (x + 1).stride() == (1, 3)
    assert (x + torch.zeros(3, 2)).stride() == (1, 3)
    assert x.clone().stride() == (1, 3)
    assert x.contiguous().stride() == (2, 1)
    y = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert y.stride() == (60, 1, 15, 3) and (y * 2).stride() == (60, 1, 15, 3)


def test_in_place_on_a_view_rewrites_the_bases_history():
    w = torch.ones(2, 3, requires_grad=True)
    base = w * 2
    view = base[0]
    view.mul_(3)
    assert type(base.grad_fn).__name__ == "CopySlices"
    assert type(view.grad_fn).__name__ == "AsStridedBackward0"
    base.sum().backward()
    assert w.grad.tolist() == [[6, 6, 6], [2, 2, 2]]


def test_in_place_on_the_base_reaches_its_views():
    w = torch.ones(3, requires_grad=True)
    base = w * 1
    view = base[1:]
    base.mul_(5)
    view.sum().backward()
    assert w.grad.tolist() == [0, 5, 5]


def test_a_gradient_enters_a_plain_tensor_through_a_view():
    w = torch.ones(2, requires_grad=True)
    x = torch.zeros(2, 2)
    x[0] = w * 4
    assert x.requires_grad
    (x * 2).sum().backward()
    assert w.grad.tolist() == [8, 8]


def test_overwritten_values_get_no_gradient():
    w = torch.ones(3, requires_grad=True)
    x = w * 2
    x[1] = 7.0
    x.sum().backward()
    assert w.grad.tolist() == [2, 0, 2]
    y = w * 2
    y.zero_()
    assert y.requires_grad
    y.sum().backward()
    assert w.grad.tolist() == [2, 0, 2]


def test_leaves_and_their_views_refuse():
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        w.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        w[0].add_(1)
    with torch.no_grad():
        w.add_(1)
    assert w.tolist() == [2, 2, 2] and w.is_leaf


def test_views_of_many_outputs_refuse():
    x = torch.ones(4, 2, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="output of a function that returns multiple views"):
        x.unbind()[0].add_(1)


def test_a_needed_value_changed_in_place():
    w = torch.ones(3, requires_grad=True)
    y = w * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0"):
        z.sum().backward()


def test_a_value_that_nobody_needs_may_change():
    w = torch.ones(3, requires_grad=True)
    y = w + 1
    z = y + 2
    y.mul_(10)
    z.sum().backward()
    assert w.grad.tolist() == [1, 1, 1]


def test_in_place_results_must_fit():
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired"):
        torch.ones(2, dtype=torch.int64).add_(1.5)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(2).add_(torch.ones(3, 2))
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        torch.ones(1).expand(3).add_(1)


def test_out_arguments():
    out = torch.empty(0)
    assert torch.add(torch.ones(2), 1, out=out) is out and out.tolist() == [2, 2]
    wide = torch.zeros(2, dtype=torch.float64)
    torch.mul(torch.ones(2), 3, out=wide)
    assert wide.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.mul(torch.ones(2), 1.5, out=torch.zeros(2, dtype=torch.int64))
    with pytest.warns(UserWarning, match="was resized"):
        torch.add(torch.ones(3), 1, out=torch.zeros(2))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.add(torch.ones(2, requires_grad=True), 1, out=torch.zeros(2))


def test_layout_changes_in_place():
    x = torch.arange(6).reshape(2, 3)
    assert x.t_().shape == (3, 2) and x.unsqueeze_(0).shape == (1, 3, 2)
    assert x.squeeze_().shape == (3, 2) and x.transpose_(0, 1).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_real_and_imaginary_parts_are_views():
    z = torch.zeros(2, dtype=torch.complex64)
    z.real.fill_(1.0)
    z.imag = torch.tensor([2.0, 3.0])
    assert z.tolist() == [1 + 2j, 1 + 3j]
    assert torch.view_as_real(z).shape == (2, 2)


def test_bits_read_as_another_dtype():
    x = torch.tensor([1.0, -2.0])
    assert x.view(torch.int32).tolist() == [1065353216, -1073741824]
    assert x.view(torch.uint8).shape == (8,)
    x.view(torch.int32)[0] = 0
    assert x.tolist() == [0.0, -2.0]


def test_detached_tensors_share_memory_and_version_but_no_graph():
    w = torch.ones(2, requires_grad=True)
    y = w * 2
    d = y.detach()
    d.add_(1)
    assert y.tolist() == [3, 3] and y._version == 1 and not d.requires_grad
    d[0].add_(1)
    assert not d.requires_grad and y.tolist() == [4, 3]
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        y[0].detach_()
    assert y.detach_().grad_fn is None


def test_resize_and_set():
    x = torch.arange(4)
    x.resize_(2, 3)
    assert x.shape == (2, 3) and x.reshape(-1)[:4].tolist() == [0, 1, 2, 3]
    y = torch.zeros(3)
    x = torch.ones(3)
    x.set_(y)
    x[0] = 5
    assert y.tolist() == [5, 0, 0]
