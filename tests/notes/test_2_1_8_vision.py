"""Notes 2.1.8: torchvision's four parts, and the underscore that means in place."""

import numpy as np
import pytest

from tests.notes.subject import nn, run_notes, torch, vision

Image = pytest.importorskip("PIL.Image")

torchvision = vision()


def picture(height=12, width=16):
    values = np.arange(height * width * 3, dtype=np.uint32) % 251
    return Image.fromarray(values.astype(np.uint8).reshape(height, width, 3))


def test_the_four_parts():
    for part in ("datasets", "models", "transforms", "utils"):
        assert hasattr(torchvision, part)


def test_notes_block_compose():
    scope, _ = run_notes(
        """
import torchvision
import torchvision.transforms as transforms
steps = torchvision.transforms.Compose([transforms.CenterCrop(10), transforms.ToTensor()])
result = steps(picture)
""",
        picture=picture(),
    )
    result = scope["result"]
    assert result.shape == (3, 10, 10) and result.dtype is torch.float32
    expected = np.asarray(picture())[1:11, 3:13].transpose(2, 0, 1) / np.float32(255)
    assert np.array_equal(result.numpy(), expected.astype(np.float32))
    assert repr(scope["steps"]) == "Compose(\n    CenterCrop(size=(10, 10))\n    ToTensor()\n)"


def test_normalize_and_back():
    transforms = torchvision.transforms
    steps = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
    )
    result, unit = steps(picture()), transforms.ToTensor()(picture())
    assert torch.allclose(result, unit * 2 - 1, atol=1e-6)
    back = transforms.ToPILImage()(unit)
    assert np.array_equal(np.asarray(back), np.asarray(picture()))


def test_random_transforms_follow_the_seed():
    transforms = torchvision.transforms
    steps = transforms.Compose(
        [transforms.RandomCrop(8, padding=2), transforms.RandomHorizontalFlip(), np.asarray]
    )
    torch.manual_seed(1)
    first = [steps(picture()) for _ in range(8)]
    torch.manual_seed(1)
    second = [steps(picture()) for _ in range(8)]
    assert all(np.array_equal(one, other) for one, other in zip(first, second))
    assert any(not np.array_equal(first[0], other) for other in first[1:])
    assert first[0].shape == (8, 8, 3)


def test_resize_and_grayscale():
    transforms = torchvision.transforms
    assert transforms.Resize(6)(picture()).size == (8, 6)
    assert transforms.Resize((5, 7))(picture()).size == (7, 5)
    assert transforms.Grayscale()(picture()).mode == "L"
    assert transforms.Pad(2)(picture()).size == (20, 16)


def test_datasets_fake_data_is_indexable_and_transformed():
    data = torchvision.datasets.FakeData(
        size=5, image_size=(3, 8, 8), num_classes=4, transform=torchvision.transforms.ToTensor()
    )
    image, label = data[0]
    assert len(data) == 5 and image.shape == (3, 8, 8) and 0 <= int(label) < 4
    with pytest.raises(IndexError):
        data[5]


def test_datasets_image_folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        picture().save(tmp_path / name / "1.png")
    data = torchvision.datasets.ImageFolder(str(tmp_path))
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    image, label = data[1]
    assert label == 1 and np.array_equal(np.asarray(image), np.asarray(picture()))


def test_models_have_torchvisions_parameter_names():
    net = torchvision.models.resnet18(num_classes=3)
    names = list(net.state_dict())
    assert names[:2] == ["conv1.weight", "bn1.weight"]
    assert "layer4.1.bn2.num_batches_tracked" in names and names[-1] == "fc.bias"
    assert sum(p.numel() for p in net.parameters()) == 11_178_051
    assert isinstance(net.layer1[0].conv1, nn.Conv2d)


def test_model_runs():
    torch.manual_seed(0)
    net = torchvision.models.mobilenet_v2(num_classes=4).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 4)


def test_utils_make_grid():
    images = torch.stack([torch.full((3, 2, 2), value) for value in (0.25, 0.5, 0.75)])
    grid = torchvision.utils.make_grid(images, nrow=2, padding=1, pad_value=1.0)
    assert grid.shape == (3, 7, 7)
    assert grid[0, 1, 1].item() == 0.25 and grid[0, 1, 4].item() == 0.5
    assert grid[0, 4, 1].item() == 0.75 and grid[0, 0, 0].item() == 1.0


def test_utils_save_image(tmp_path):
    image = torch.zeros(3, 4, 5)
    image[0] = 1.0
    torchvision.utils.save_image(image, str(tmp_path / "red.png"))
    saved = np.asarray(Image.open(tmp_path / "red.png"))
    assert saved.shape == (4, 5, 3) and saved[2, 2].tolist() == [255, 0, 0]


def test_utils_draw_bounding_boxes():
    canvas = torch.zeros(3, 20, 20, dtype=torch.uint8)
    boxes = torch.tensor([[4, 5, 14, 15]])
    drawn = torchvision.utils.draw_bounding_boxes(canvas, boxes, colors="red", width=1)
    assert drawn.dtype is torch.uint8 and drawn[:, 5, 8].tolist() == [255, 0, 0]
    assert drawn[:, 10, 10].tolist() == [0, 0, 0] and canvas.sum().item() == 0


IN_PLACE = {
    "add_": ((2.0,), [3.0, -2.0]),
    "sub_": ((2.0,), [-1.0, -6.0]),
    "mul_": ((2.0,), [2.0, -8.0]),
    "div_": ((2.0,), [0.5, -2.0]),
    "pow_": ((2,), [1.0, 16.0]),
    "abs_": ((), [1.0, 4.0]),
    "neg_": ((), [-1.0, 4.0]),
    "relu_": ((), [1.0, 0.0]),
    "clamp_": ((-2.0, 0.5), [0.5, -2.0]),
    "zero_": ((), [0.0, 0.0]),
    "fill_": ((7.0,), [7.0, 7.0]),
    "sign_": ((), [1.0, -1.0]),
    "square_": ((), [1.0, 16.0]),
    "floor_": ((), [1.0, -4.0]),
    "exp_": ((), [2.718281828, 0.018315639]),
    "sigmoid_": ((), [0.731058579, 0.017986210]),
    "tanh_": ((), [0.761594156, -0.999329300]),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_underscore_methods_change_the_tensor_itself(name):
    arguments, expected = IN_PLACE[name]
    x = torch.tensor([1.0, -4.0])
    view, address, version = x[:], x.data_ptr(), x._version
    assert getattr(x, name)(*arguments) is x
    assert x.tolist() == pytest.approx(expected) and view.tolist() == x.tolist()
    assert x.data_ptr() == address and x._version == version + 1


def test_every_in_place_method_has_a_form_that_leaves_the_tensor_alone():
    for name, (arguments, expected) in IN_PLACE.items():
        function = getattr(torch.Tensor, name[:-1], None)
        if function is None:  # zero_ and fill_ have no such form
            assert name in ("zero_", "fill_")
            continue
        x = torch.tensor([1.0, -4.0])
        assert function(x, *arguments).tolist() == pytest.approx(expected)
        assert x.tolist() == [1.0, -4.0]
