"""Which rushlight module a PyTorch module path means, and the words for what is missing."""

from __future__ import annotations

DIFFERENCES = "docs/differences-from-pytorch.md"

# A torch program never sees these: they have no counterpart in PyTorch.
PRIVATE = ("rushlight.core", "rushlight.cli", "rushlight.compat", "rushlight.__main__")


def is_torch_name(name: str) -> bool:
    """Return whether a dotted module name belongs to PyTorch or torchvision."""
    return name.partition(".")[0] in ("torch", "torchvision")


def rushlight_name(torch_name: str) -> str:
    """Return the rushlight module for a PyTorch one.

    Example:
        >>> rushlight_name("torchvision.transforms"), rushlight_name("torch.nn.functional")
        ('rushlight.vision.transforms', 'rushlight.nn.functional')
    """
    root, dot, rest = torch_name.partition(".")
    return ("rushlight" if root == "torch" else "rushlight.vision") + dot + rest


def torch_name(rushlight_module: str) -> str | None:
    """Return PyTorch's name for a rushlight module; None for one that PyTorch does not have."""
    if any(rushlight_module == p or rushlight_module.startswith(p + ".") for p in PRIVATE):
        return None
    root, _, rest = rushlight_module.partition(".")
    if root != "rushlight":
        return None
    if rest == "vision" or rest.startswith("vision."):
        return "torchvision" + rest[len("vision") :]
    return "torch" + ("." + rest if rest else "")


def missing_text(name: str) -> str:
    """Return the one sentence for a PyTorch name that rushlight has not got."""
    return f"rushlight has no {name} yet; see {DIFFERENCES}"
