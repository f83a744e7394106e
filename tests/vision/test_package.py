"""The package itself: what it imports, what its names answer."""

import subprocess
import sys

import pytest

from rushlight import vision


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def test_nothing_is_imported_before_it_is_needed():
    code = (
        "import sys, rushlight.vision\n"
        "assert 'rushlight.vision.models' not in sys.modules\n"
        "from rushlight.vision import datasets, models, ops, transforms, utils, io\n"
        "import rushlight.vision.transforms as T, rushlight\n"
        "T.Compose([T.Resize(4), T.Normalize([0.5], [0.5])])(rushlight.rand(1, 8, 8))\n"
        "models.LeNet(); ops.nms; utils.make_grid(rushlight.zeros(2, 3, 4, 4))\n"
        "found = [m for m in ('PIL', 'torch', 'urllib.request', 'tarfile') if m in sys.modules]\n"
        "assert not found, found\n"
    )
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_without_pillow_tensors_work_and_pictures_say_what_is_missing():
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import rushlight, rushlight.vision.transforms as T\n"
        "T.Compose([T.RandomCrop(4), T.ColorJitter(0.1)])(rushlight.rand(3, 8, 8))\n"
        "try: T.ToPILImage()(rushlight.rand(3, 8, 8))\n"
        "except ImportError as error: assert 'pip install pillow' in str(error)\n"
        "else: raise SystemExit('no error')\n"
        "try: T.CenterCrop(3)('x')\n"
        "except TypeError as error: assert 'Unexpected type' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_backend():
    assert vision.get_image_backend() == "PIL"
    vision.set_image_backend("PIL")
    with pytest.raises(ValueError, match="Invalid backend 'cv2'"):
        vision.set_image_backend("cv2")


def test_names():
    assert {"datasets", "models", "ops", "transforms", "utils", "io"} <= set(dir(vision))
    assert vision.__version__ == "0.28.0"
    with pytest.raises(AttributeError, match="Did you mean 'transforms'"):
        vision.transform  # noqa: B018
