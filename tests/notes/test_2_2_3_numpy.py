"""Notes 2.2.3: a tensor and a NumPy array may be the same memory; from pictures to tensors."""

import numpy as np
import pytest

from tests.notes.subject import F, run_notes, teaches, torch, vision


def test_tensor_to_numpy_shares_memory():
    scope, _ = run_notes("import torch\na = torch.ones(5) # Torch Tensor\nb = a.numpy()")
    a, b = scope["a"], scope["b"]
    assert isinstance(b, np.ndarray) and b.dtype == np.float32
    a.add_(1)
    assert b.tolist() == [2.0] * 5
    b[0] = 7
    assert a.tolist() == [7.0, 2.0, 2.0, 2.0, 2.0]
    (a[1:3]).zero_()
    assert b.tolist() == [7.0, 0.0, 0.0, 2.0, 2.0]


def test_numpy_to_tensor_shares_memory():
    scope, _ = run_notes(
        "import torch\nimport numpy as np\na = np.ones(5)\nb = torch.from_numpy(a)"
    )
    a, b = scope["a"], scope["b"]
    assert b.dtype is torch.float64
    np.add(a, 1, out=a)
    assert b.tolist() == [2.0] * 5
    b.mul_(3)
    assert a.tolist() == [6.0] * 5


def test_sharing_survives_views_and_results_see_later_writes():
    a = np.zeros((2, 3), dtype=np.float32)
    t = torch.from_numpy(a)
    column, total = t[:, 1], t.sum()
    a[0, 1] = 5
    assert column.tolist() == [5.0, 0.0]
    assert total.item() == 0.0  # computed before the write
    column[1] = 4
    assert a[1, 1] == 4.0


def test_tensor_and_as_tensor():
    a = np.array([1, 2, 3])
    copied, shared = torch.tensor(a), torch.as_tensor(a)
    a[0] = 9
    assert copied.tolist() == [1, 2, 3] and shared.tolist() == [9, 2, 3]


def test_strides_are_kept():
    a = np.arange(6.0).reshape(2, 3).T
    t = torch.from_numpy(a)
    assert t.shape == (3, 2) and t.stride() == (1, 3)
    assert torch.arange(6).view(2, 3).t().numpy().strides == (8, 24)


def test_numpy_needs_detach():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
        x.numpy()
    shared = x.detach().numpy()
    shared[0] = 5
    assert x.tolist() == [5.0, 1.0]


def test_item_and_tolist():
    assert torch.tensor(3).item() == 3 and isinstance(torch.tensor(3).item(), int)
    assert torch.tensor([[2.5]]).item() == 2.5
    assert torch.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert torch.tensor(True).tolist() is True
    with pytest.raises(
        RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"
    ):
        torch.ones(2).item()


def test_dlpack_shares_memory():
    t = torch.arange(4.0)
    a = np.from_dlpack(t)
    t[0] = 8
    assert a[0] == 8.0
    back = torch.from_dlpack(np.arange(3))
    assert back.tolist() == [0, 1, 2]


def image_bgr(height=4, width=6):
    """What cv2.imread gives: height x width x (blue, green, red), uint8."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 10, 20, 30
    image[0, 1] = (1, 2, 3)
    return image


def test_method_1_to_tensor():
    scope, _ = run_notes(
        """
import torchvision.transforms as transforms
image_tensor = transforms.ToTensor()(image_np)
""",
        image_np=image_bgr(),
    )
    result = scope["image_tensor"]
    assert result.shape == (3, 4, 6) and result.dtype is torch.float32
    assert result[:, 0, 1].tolist() == pytest.approx([1 / 255, 2 / 255, 3 / 255])


def test_method_2_reverse_and_transpose():
    scope, _ = run_notes(
        """
import torch
image_np = image_np[:, :, ::-1]
image_tensor = torch.from_numpy(image_np.transpose((2,0,1)).copy())
""",
        image_np=image_bgr(),
    )
    result = scope["image_tensor"]
    assert result.shape == (3, 4, 6) and result[:, 0, 1].tolist() == [3, 2, 1]
    assert result[:, 2, 2].tolist() == [30, 20, 10]


def test_reversed_array_without_copy_names_the_remedy():
    with pytest.raises(
        ValueError, match="At least one stride in the given numpy array is negative"
    ) as caught:
        torch.from_numpy(image_bgr()[:, :, ::-1])
    assert "copy()" in str(caught.value)


def test_slip_totensor():
    with pytest.raises(AttributeError, match="Totensor") as caught:
        run_notes(
            "import torchvision.transforms as transforms\ntransforms.Totensor()(image_np)",
            image_np=image_bgr(),
        )
    assert teaches(caught.value, "ToTensor")


def test_slip_transposed_the_wrong_way_round():
    """(1, 2, 0) makes width x channels x height; the first layer says what was meant."""
    wrong = torch.from_numpy(image_bgr(32, 32).transpose((1, 2, 0)).copy()).float()
    assert wrong.shape == (32, 3, 32)
    weight = torch.zeros(6, 3, 5, 5)
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 32 channels") as caught:
        F.conv2d(wrong[None], weight)
    assert teaches(caught.value, "(2, 0, 1)")


def test_slip_tensor_transpose_takes_two_dimensions():
    tensor = torch.from_numpy(image_bgr())
    with pytest.raises(TypeError, match="transpose") as caught:
        tensor.transpose((2, 0, 1))
    assert teaches(caught.value, "permute")
    assert tensor.permute(2, 0, 1).shape == (3, 4, 6)


def test_vision_to_tensor_of_gray_and_float_arrays():
    to_tensor = vision().transforms.ToTensor()
    assert to_tensor(np.zeros((4, 5), dtype=np.uint8)).shape == (1, 4, 5)
    floats = to_tensor(np.full((4, 5, 3), 0.5))
    assert floats.dtype is torch.float64 and floats[0, 0, 0].item() == 0.5
