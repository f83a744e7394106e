"""Fetching, checking and unpacking the files of data sets."""

import hashlib
import os
import sys

from rushlight.vision.datasets._archives import ARCHIVE_SUFFIXES, extract_archive

__all__ = [
    "ARCHIVE_SUFFIXES",
    "calculate_md5",
    "check_integrity",
    "check_md5",
    "download_and_extract_archive",
    "download_file_from_google_drive",
    "download_url",
    "extract_archive",
    "iterable_to_str",
    "list_dir",
    "list_files",
    "verify_str_arg",
]

_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 60


def calculate_md5(fpath, chunk_size=1 << 20):
    """The MD5 sum of a file, as 32 hexadecimal digits."""
    digest = hashlib.new("md5", usedforsecurity=False)
    with open(fpath, "rb") as file:
        while chunk := file.read(chunk_size):
            digest.update(chunk)
    return digest.hexdigest()


def check_md5(fpath, md5, **kwargs):
    """Whether the file's MD5 sum is `md5`."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath, md5=None):
    """Whether the file is there, and has that MD5 sum if one is given."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


class _Progress:
    """A bar on standard error: redrawn in place on a terminal, one line at the end elsewhere."""

    def __init__(self, name, total, start):
        self.name, self.total, self.done = name, total, start
        self.live = sys.stderr.isatty()
        self.shown = -1

    def add(self, count):
        self.done += count
        percent = 100 * self.done // self.total if self.total else self.done >> 20
        if self.live and percent != self.shown:
            self.shown = percent
            sys.stderr.write("\r" + self._text())
            sys.stderr.flush()

    def close(self):
        sys.stderr.write(("\r" if self.live else "") + self._text() + "\n")

    def _text(self):
        megabytes = f"{self.done / 1e6:.1f}"
        if not self.total:
            return f"{self.name}: {megabytes} MB"
        filled = 30 * self.done // self.total
        bar = "#" * filled + "." * (30 - filled)
        return f"{self.name} [{bar}] {megabytes}/{self.total / 1e6:.1f} MB"


def _opener(max_redirect_hops):
    from urllib.request import HTTPRedirectHandler, build_opener

    class Redirects(HTTPRedirectHandler):
        max_redirections = max_redirect_hops

    return build_opener(Redirects)


def _open(url, start, max_redirect_hops):
    """The server's answer from byte `start` on, and the byte that it really starts at."""
    from urllib.request import Request

    headers = {"User-Agent": "rushlight"}
    if start:
        headers["Range"] = f"bytes={start}-"
    answer = _opener(max_redirect_hops).open(
        Request(url, headers=headers), timeout=_TIMEOUT_SECONDS
    )
    resumed = getattr(answer, "status", None) == 206 and answer.headers.get(
        "Content-Range", ""
    ).startswith(f"bytes {start}-")
    return answer, start if resumed else 0


def _fetch(url, part, max_redirect_hops, name, start):
    """Append what is missing to `part`, or write it anew where the server does not resume.

    Raises:
        ConnectionError: the connection ended before the file did; `part` keeps what came.
    """
    answer, start = _open(url, start, max_redirect_hops)
    with answer, open(part, "ab" if start else "wb") as file:
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        progress = _Progress(name, total, start)
        try:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                progress.add(len(chunk))
        finally:
            progress.close()
    if total is not None and progress.done < total:
        raise ConnectionError(
            f"{url}: the connection ended after {progress.done} of {total} bytes; "
            "what came is kept, call again to go on"
        )


def download_url(url, root, filename=None, md5=None, max_redirect_hops=3):
    """Fetch `url` into the folder `root`, under `filename` or its own name.

    The file appears under its name only when it is whole and has the right sum; until then it is
    NAME.part. With `md5`, an interrupted NAME.part is continued. A file that is there already and
    has the right sum is not fetched again.

    Raises:
        RuntimeError: the sum is wrong. ConnectionError, urllib.error.URLError: the network.
    """
    root = os.path.expanduser(root)
    name = filename or os.path.basename(url.split("?")[0])
    path = os.path.join(root, name)
    os.makedirs(root, exist_ok=True)
    if check_integrity(path, md5):
        return
    part = f"{path}.part"
    start = os.path.getsize(part) if md5 is not None and os.path.exists(part) else 0
    if start and check_md5(part, md5):  # whole already, only the renaming was missed
        os.replace(part, path)
        return
    try:
        _fetch(url, part, max_redirect_hops, name, start)
    except OSError as error:
        if not start or getattr(error, "code", None) != 416:
            raise
        start = 0  # the server has fewer bytes than NAME.part: not the same file
        _fetch(url, part, max_redirect_hops, name, 0)
    if start and not check_md5(part, md5):
        _fetch(url, part, max_redirect_hops, name, 0)
    if md5 is not None and not check_md5(part, md5):
        os.remove(part)
        raise RuntimeError(f"File not found or corrupted. ({url} has not the MD5 sum {md5})")
    os.replace(part, path)


def download_and_extract_archive(
    url, download_root, extract_root=None, filename=None, md5=None, remove_finished=False
):
    """`download_url`, then `extract_archive` into `extract_root`, or beside the archive.

    Raises:
        RuntimeError, OSError: as these two.
    """
    download_root = os.path.expanduser(download_root)
    if extract_root is None:
        extract_root = download_root
    filename = filename or os.path.basename(url.split("?")[0])
    download_url(url, download_root, filename, md5)
    extract_archive(os.path.join(download_root, filename), extract_root, remove_finished)


def download_file_from_google_drive(file_id, root, filename=None, md5=None):
    """Not implemented: fetch the file by hand and put it into `root`."""
    raise NotImplementedError(
        "download_file_from_google_drive is not implemented; fetch "
        f"https://drive.google.com/uc?id={file_id} by hand and put it into {root}"
    )


def list_dir(root, prefix=False):
    """Names (or, with `prefix`, paths) of the folders in `root`."""
    return _listed(root, prefix, os.path.isdir)


def list_files(root, suffix, prefix=False):
    """Names (or, with `prefix`, paths) of the files in `root` that end in `suffix`."""
    return _listed(root, prefix, lambda path: os.path.isfile(path) and path.endswith(suffix))


def _listed(root, prefix, wanted):
    root = os.path.expanduser(root)
    names = [name for name in os.listdir(root) if wanted(os.path.join(root, name))]
    return [os.path.join(root, name) for name in names] if prefix else names


def iterable_to_str(iterable):
    """The elements quoted, with commas between them."""
    return "'" + "', '".join(str(item) for item in iterable) + "'"


def verify_str_arg(value, arg=None, valid_values=None, custom_msg=None):
    """`value`, if it is a string and one of `valid_values`.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str):
        which = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{which}, but got type {type(value)}.")
    if valid_values is None or value in valid_values:
        return value
    raise ValueError(
        custom_msg
        or f"Unknown value '{value}' for argument {arg}. Valid values are "
        f"{{{iterable_to_str(valid_values)}}}."
    )
