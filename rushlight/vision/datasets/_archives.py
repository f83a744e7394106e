"""Unpacking archives that nobody has to trust.

An entry may only be a plain file or a folder inside the target. Everything is looked at before
anything is written, and what is written is counted against the size of the archive.
"""

import os
from typing import Any

ARCHIVE_SUFFIXES = {
    ".tar": ("tar", None),
    ".tgz": ("tar", "gz"),
    ".tbz": ("tar", "bz2"),
    ".tbz2": ("tar", "bz2"),
    ".txz": ("tar", "xz"),
    ".tar.gz": ("tar", "gz"),
    ".tar.bz2": ("tar", "bz2"),
    ".tar.xz": ("tar", "xz"),
    ".zip": ("zip", None),
    ".gz": (None, "gz"),
    ".bz2": (None, "bz2"),
    ".xz": (None, "xz"),
}

# Pictures hardly compress, text about five times. Beyond this, a file is made to fill the disk.
_LARGEST_EXPANSION = 200
_ALWAYS_ALLOWED = 16 << 20
_CHUNK = 1 << 20


class _Budget:
    """How many bytes an archive may still become."""

    def __init__(self, path):
        self.path = path
        self.left = _ALWAYS_ALLOWED + _LARGEST_EXPANSION * os.path.getsize(path)

    def spend(self, count):
        self.left -= count
        if self.left < 0:
            raise RuntimeError(
                f"{self.path}: refusing to unpack more than {_LARGEST_EXPANSION} times its size"
            )


def _kind(path):
    """(archive kind, compression) from the name's ending."""
    name = os.path.basename(path).lower()
    for suffix in sorted(ARCHIVE_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return ARCHIVE_SUFFIXES[suffix], suffix
    suffix = os.path.splitext(name)[1]
    if not suffix:
        raise RuntimeError(
            f"File '{path}' has no suffixes that could be used to detect the archive type and "
            "compression."
        )
    raise RuntimeError(
        f"Unknown compression or archive type: '{suffix}'.\n"
        f"Known suffixes are: '{sorted(ARCHIVE_SUFFIXES)}'."
    )


def _refuse(path, name, why):
    raise RuntimeError(f"{path}: refusing to unpack '{name}': {why}")


def _target(path, root, name):
    """Where the entry `name` goes below `root`; RuntimeError if that is outside."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        _refuse(path, name, "its path is absolute")
    if ".." in parts:
        _refuse(path, name, "its path leads upwards")
    if "\0" in name:
        _refuse(path, name, "its name has a zero byte")
    target = os.path.join(root, *[part for part in parts if part not in ("", ".")])
    # A link that lies in the folder already must not lead out of it either.
    real_root = os.path.realpath(root)
    if os.path.commonpath([real_root, os.path.realpath(target)]) != real_root:
        _refuse(path, name, "a link in the target folder leads out of it")
    return target


def _copy(source, target, budget):
    """The stream `source` into the file `target`, which appears when it is whole."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = f"{target}.part"
    with open(part, "wb") as file:
        while chunk := source.read(_CHUNK):
            budget.spend(len(chunk))
            file.write(chunk)
    os.replace(part, target)


def _extract_tar(path, root, compression):
    import tarfile

    mode: Any = f"r:{compression or ''}"
    with tarfile.open(path, mode) as archive:
        budget = _Budget(path)
        entries = []
        for entry in archive:
            if entry.issym() or entry.islnk():
                _refuse(path, entry.name, "it is a link")
            if not (entry.isfile() or entry.isdir()):
                _refuse(path, entry.name, "it is neither a file nor a folder")
            budget.spend(entry.size + 512)
            entries.append((entry, _target(path, root, entry.name)))
        budget = _Budget(path)
        for entry, target in entries:
            if entry.isdir():
                os.makedirs(target, exist_ok=True)
            else:
                _copy(archive.extractfile(entry), target, budget)


def _extract_zip(path, root):
    import stat
    import zipfile

    with zipfile.ZipFile(path) as archive:
        budget = _Budget(path)
        entries = []
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind == stat.S_IFLNK:
                _refuse(path, entry.filename, "it is a link")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse(path, entry.filename, "it is neither a file nor a folder")
            budget.spend(entry.file_size)
            entries.append((entry, _target(path, root, entry.filename)))
        budget = _Budget(path)
        for entry, target in entries:
            if entry.is_dir():
                os.makedirs(target, exist_ok=True)
            else:
                with archive.open(entry) as source:
                    _copy(source, target, budget)


def open_compressed(path, compression):
    """A file that reads the decompressed bytes of `path`."""
    if compression == "gz":
        import gzip

        return gzip.open(path, "rb")
    if compression == "bz2":
        import bz2

        return bz2.open(path, "rb")
    import lzma

    return lzma.open(path, "rb")


def extract_archive(from_path, to_path=None, remove_finished=False):
    """Unpack an archive (tar, zip) or a compressed file, told by its name's ending.

    Args:
        to_path: the folder to unpack into (for a compressed file: the file to write); by default
            beside the archive.
        remove_finished: delete the archive afterwards.

    Returns:
        The folder, or the file.

    Raises:
        RuntimeError: an unknown ending; an entry that is a link, a device, or leads out of the
            folder; more than 200 times the archive's size. Nothing is written then, but for
            sizes that the archive itself gives wrong.
    """
    from_path = os.fspath(from_path)
    (archive, compression), suffix = _kind(from_path)
    if archive is None:
        target = os.fspath(to_path) if to_path is not None else from_path[: -len(suffix)]
        with open_compressed(from_path, compression) as source:
            _copy(source, os.path.abspath(target), _Budget(from_path))
        result = target
    else:
        result = os.fspath(to_path) if to_path is not None else os.path.dirname(from_path)
        root = os.path.abspath(result)
        os.makedirs(root, exist_ok=True)
        if archive == "tar":
            _extract_tar(from_path, root, compression)
        else:
            _extract_zip(from_path, root)
    if remove_finished:
        os.remove(from_path)
    return result
