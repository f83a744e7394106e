"""The real networks and pictures that lie beside the checkout in some places: shared/data."""

from pathlib import Path

import pytest


def shared_data():
    """The folder shared/data beside one of this file's parents, None where there is none."""
    for parent in Path(__file__).resolve().parents:
        folder = parent / "shared" / "data"
        if (folder / "detect").is_dir() and (folder / "pictures").is_dir():
            return folder
    return None


needs_shared_data = pytest.mark.skipif(
    shared_data() is None,
    reason="the real networks and pictures (shared/data beside the checkout) are not here",
)


def network_files(name):
    """(cfg, weights) paths of a real network."""
    folder = shared_data() / "detect"
    return folder / f"{name}.cfg", folder / f"{name}.weights"
