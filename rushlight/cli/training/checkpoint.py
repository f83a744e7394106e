"""Checkpoints: everything the rest of a run depends on, in one file that is whole or not there."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

import rushlight
from rushlight.cli.errors import CommandError
from rushlight.cli.files import write_bytes_atomically

LAST = "last.pt"
BEST = "best.pt"


def random_states() -> dict[str, Any]:
    """Return the states of rushlight's, NumPy's and Python's generators as plain containers."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    version, words, next_gauss = random.getstate()
    return {
        "rushlight": rushlight.get_rng_state(),
        "numpy": [str(name), [int(k) for k in keys], int(position), int(has_gauss), float(gauss)],
        "python": [version, list(words), next_gauss],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Put the three generators back to `random_states()`."""
    rushlight.set_rng_state(states["rushlight"])
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, gauss))
    version, words, next_gauss = states["python"]
    random.setstate((version, tuple(words), next_gauss))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; a crash or a full disk leaves the previous one untouched."""
    buffer = io.BytesIO()
    rushlight.save(state, buffer)
    write_bytes_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint. Raises CommandError when it is missing or damaged."""
    try:
        state = rushlight.load(str(path), weights_only=True)
    except FileNotFoundError:
        raise CommandError(f"no checkpoint {path}") from None
    except Exception as error:  # every kind of damage gives its own exception type
        raise CommandError(f"cannot read checkpoint {path}: {error}") from None
    if not isinstance(state, dict) or "model" not in state:
        raise CommandError(f"{path} is not a checkpoint of rushlight train")
    return state


def read_run_configuration(run: Path) -> dict[str, Any]:
    """Return the contents of a run folder's config.json."""
    path = run / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CommandError(f"{run} is not a run folder: it has no config.json") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {path}: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("options"), dict):
        raise CommandError(f"{path} was not written by rushlight train")
    return content
