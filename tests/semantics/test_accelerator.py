"""`torch.accelerator` answers as PyTorch does on a machine without one."""

import pytest

import rushlight as torch


def test_the_usual_choice_of_a_device():
    chosen = (
        torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    )
    assert chosen == "cpu"
    assert torch.accelerator.device_count() == 0
    assert torch.accelerator.current_accelerator() is None


@pytest.mark.parametrize(
    "name", ["synchronize", "current_device_index", "empty_cache", "memory_allocated"]
)
def test_what_needs_one_raises(name):
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is avail"):
        getattr(torch.accelerator, name)()
