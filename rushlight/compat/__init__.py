"""`rushlight run`: programs in which the names torch and torchvision mean rushlight.

Nothing here happens by itself: `activate()` is called by `rushlight run` for the program it
starts, and by that program's own worker processes. Libraries that probe for PyTorch elsewhere
see none of it.
"""

from __future__ import annotations

# The release whose behaviour is the reference, as programs and libraries that look will read it.
TORCH_VERSION = "2.13.0+rushlight"
TORCHVISION_VERSION = "0.28.0+rushlight"

__all__ = ["TORCHVISION_VERSION", "TORCH_VERSION", "activate"]


def activate() -> None:
    """Make `import torch` and `import torchvision` give rushlight's modules in this process.

    Worker processes that the program starts through multiprocessing (fork, forkserver or spawn)
    are included; other programs it starts are not. Calling it twice does nothing.

    Example:
        >>> activate()
        >>> import torch.nn.functional, rushlight.nn.functional
        >>> torch.nn.functional is rushlight.nn.functional
        True
    """
    from rushlight.compat import finder, processes

    if finder.install():
        processes.include_spawned_workers()
