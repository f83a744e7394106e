"""Programs that ask for CUDA, cuDNN or Apple's GPUs get PyTorch's answers and go on."""

import pytest

import rushlight as torch


def test_questions_have_answers():
    assert torch.cuda.is_available() is False and torch.cuda.device_count() == 0
    assert torch.cuda.is_initialized() is False and torch.cuda.memory_allocated() == 0
    assert torch.backends.cudnn.is_available() is False and torch.backends.cudnn.version() is None
    assert torch.backends.mps.is_available() is False
    assert torch.version.cuda is None and torch.version.__version__ == torch.__version__


def test_seeding_and_switches_change_nothing():
    torch.manual_seed(1)
    before = torch.rand(3)
    torch.manual_seed(1)
    torch.cuda.manual_seed(5)
    torch.cuda.manual_seed_all(5)
    torch.cuda.empty_cache()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = True
    with torch.backends.cudnn.flags(enabled=False):
        assert torch.backends.cudnn.enabled is False
    assert torch.backends.cudnn.enabled is True
    assert torch.equal(torch.rand(3), before)


@pytest.mark.parametrize("name", ["current_device", "synchronize", "get_device_name", "init"])
def test_what_needs_a_device_names_the_remedy(name):
    with pytest.raises(RuntimeError, match="Found no NVIDIA driver.*is_available"):
        getattr(torch.cuda, name)()


def test_missing_names_are_named():
    with pytest.raises(AttributeError, match="torch.cuda.*CUDAGraph"):
        torch.cuda.CUDAGraph  # noqa: B018
