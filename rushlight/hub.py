"""``torch.hub``: the cache folder and downloads of state dicts. Repositories are never run."""

from __future__ import annotations

import os

from .core.base.knobs import cache_folder

_chosen = [None]


def get_dir():
    """The folder of downloaded files."""
    if _chosen[0] is None:
        return str(cache_folder() / "hub")
    return _chosen[0]


def set_dir(d):
    """Use another folder."""
    _chosen[0] = os.path.expanduser(d)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Download `url` to the file `dst`, whole or not at all.

    hash_prefix: the start of the file's SHA-256 in hex; RuntimeError where it differs.
    """
    import hashlib
    import shutil
    import urllib.request
    temporary = f"{dst}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url) as source, open(temporary, "wb") as target:  # noqa: S310
            while chunk := source.read(1 << 20):
                digest.update(chunk)
                target.write(chunk)
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got '
                               f'"{digest.hexdigest()[:len(hash_prefix)]}")')
        shutil.move(temporary, dst)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True,
                             check_hash=False, file_name=None, weights_only=True):
    """The state dict at `url`, downloaded once into the cache folder."""
    import re

    import rushlight
    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(url.partition("?")[0])
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = re.search(r"-([a-f0-9]*)\.", name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    return rushlight.load(path, map_location=map_location, weights_only=weights_only)


def load(*args, **options):
    """Raises NotImplementedError: a repository's code is never downloaded and run."""
    raise NotImplementedError("torch.hub.load runs code from a repository, which rushlight does "
                              "not do; build the model in Python and load its state_dict")


def _other(name):
    def function(*args, **options):
        raise NotImplementedError(f"torch.hub.{name} is not implemented")
    function.__name__ = name
    function.__doc__ = "Raises NotImplementedError."
    return function


help, list = _other("help"), _other("list")  # noqa: A001
