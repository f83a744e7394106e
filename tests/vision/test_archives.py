"""Archives: good ones are unpacked, malicious ones leave nothing behind."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile

import pytest

from rushlight.vision.datasets.utils import extract_archive

FILES = {"folder/a.txt": b"first", "folder/sub/b.bin": bytes(range(256)), "c": b""}


def write_tar(path, mode, entries):
    """Entries are (name, bytes) or TarInfo objects."""
    with tarfile.open(path, mode) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            archive.addfile(info, io.BytesIO(entry[1]))


def unpacked(root):
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root).replace(os.sep, "/")] = file.read()
    return found


@pytest.mark.parametrize(
    "name, mode",
    [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"),
     ("a.tbz2", "w:bz2"), ("a.tar.xz", "w:xz")],
)  # fmt: skip
def test_tar(tmp_path, name, mode):
    write_tar(tmp_path / name, mode, FILES.items())
    assert extract_archive(tmp_path / name, tmp_path / "out") == str(tmp_path / "out")
    assert unpacked(tmp_path / "out") == FILES


def test_zip_beside_itself_and_removed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.writestr("empty/", b"")
    assert extract_archive(str(tmp_path / "a.zip"), remove_finished=True) == str(tmp_path)
    assert unpacked(tmp_path) == FILES and (tmp_path / "empty").is_dir()


@pytest.mark.parametrize("suffix, compress", [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_single_files(tmp_path, suffix, compress):
    path = tmp_path / f"data.idx{suffix}"
    path.write_bytes(compress.compress(b"hello" * 100))
    assert extract_archive(path) == str(tmp_path / "data.idx")
    assert (tmp_path / "data.idx").read_bytes() == b"hello" * 100
    extract_archive(path, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"hello" * 100


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


BAD_ENTRIES = {
    "upwards": (("../evil", b"x"), "leads upwards"),
    "upwards inside": (("a/../../evil", b"x"), "leads upwards"),
    "backslashes": (("a\\..\\..\\evil", b"x"), "leads upwards"),
    "absolute": (("/tmp/evil", b"x"), "absolute"),
    "drive": (("C:/evil", b"x"), "absolute"),
    "symbolic link": (link("l", "/etc/passwd"), "a link"),
    "hard link": (link("l", "good", tarfile.LNKTYPE), "a link"),
    "device": (link("d", "", tarfile.CHRTYPE), "neither a file nor a folder"),
    "pipe": (link("p", "", tarfile.FIFOTYPE), "neither a file nor a folder"),
}


@pytest.mark.parametrize("case", BAD_ENTRIES)
def test_entries_that_are_refused_before_anything_is_written(tmp_path, case):
    entry, why = BAD_ENTRIES[case]
    root = tmp_path / "in" / "out"
    write_tar(tmp_path / "a.tar", "w", [("good", b"fine"), entry])
    with pytest.raises(RuntimeError, match=why):
        extract_archive(tmp_path / "a.tar", root)
    assert unpacked(tmp_path / "in") == {}


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil"])
def test_zip_entries_that_are_refused(tmp_path, name):
    root = tmp_path / "in" / "out"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good", b"fine")
        archive.writestr(name, b"x")
    with pytest.raises(RuntimeError, match="refusing to unpack"):
        extract_archive(tmp_path / "a.zip", root)
    assert unpacked(tmp_path / "in") == {}


def test_links_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("l")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(RuntimeError, match="a link"):
        extract_archive(tmp_path / "a.zip", tmp_path / "out")


def test_link_that_was_there_before(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "out" / "folder")
    write_tar(tmp_path / "a.tar", "w", [("folder/x", b"x")])
    with pytest.raises(RuntimeError, match="leads out of it"):
        extract_archive(tmp_path / "a.tar", tmp_path / "out")
    assert unpacked(tmp_path / "elsewhere") == {}


def test_bombs(tmp_path):
    zeros = b"\0" * (40 << 20)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(zeros))
    write_tar(tmp_path / "bomb.tar.gz", "w:gz", [("z", zeros)])
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("z", zeros)
    for name in ("bomb.gz", "bomb.tar.gz", "bomb.zip"):
        with pytest.raises(RuntimeError, match="more than 200 times its size"):
            extract_archive(tmp_path / name, tmp_path / "out" / name)
    assert not any(name.endswith("z") for name in unpacked(tmp_path / "out"))


def test_unknown_endings(tmp_path):
    with pytest.raises(RuntimeError, match="Unknown compression or archive type: '.rar'"):
        extract_archive(tmp_path / "a.rar")
    with pytest.raises(RuntimeError, match="has no suffixes"):
        extract_archive(tmp_path / "a")


def test_damaged_archives(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"not a tar file at all" * 100)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 and nothing else")
    with pytest.raises(tarfile.TarError):
        extract_archive(tmp_path / "a.tar", tmp_path / "out")
    with pytest.raises(zipfile.BadZipFile):
        extract_archive(tmp_path / "a.zip", tmp_path / "out")
