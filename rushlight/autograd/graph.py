"""``torch.autograd.graph``: nodes and saved-tensor hooks."""

from ..core.autograd.node import Node
from ..core.tensor.anomaly import save_on_cpu, saved_tensors_hooks

__all__ = ["Node", "save_on_cpu", "saved_tensors_hooks"]
