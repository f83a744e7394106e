"""The container of a .pt file: a zip archive of uncompressed records, aligned to 64 bytes.

Nothing in a file is believed before it is checked: every record must lie inside the file, on its
own bytes, uncompressed, and have the checksum that it says. So no more memory is ever asked for
than the file has bytes.
"""

import io
import os
import struct
import zipfile
import zlib

import numpy as np

ALIGNMENT = 64
_LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
_CHUNK = 1 << 24


def _broken(text):
    return RuntimeError(f"PytorchStreamReader failed reading zip archive: {text}")


class ArchiveWriter:
    """Write records into the zip archive `file`, below the folder `root`."""

    def __init__(self, file, root):
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._root = root

    def write(self, name, data):
        """Append one record, its first byte at a multiple of 64."""
        view = memoryview(data).cast("B")
        info = zipfile.ZipInfo(f"{self._root}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
        info.file_size = len(view)
        # The entry says itself whether it needs 64-bit sizes, which lengthens its header by 20.
        large = len(view) * 1.05 > zipfile.ZIP64_LIMIT
        header = _LOCAL_HEADER.size + len(info.filename.encode("utf-8")) + (20 if large else 0)
        start = self._zip.start_dir + header + 4
        padding = -start % ALIGNMENT
        info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        with self._zip.open(info, "w", force_zip64=large) as record:
            for at in range(0, len(view), _CHUNK):
                record.write(view[at : at + _CHUNK])
        info.extra = b""  # the padding is of no use in the directory

    def close(self):
        """Write the archive's directory."""
        self._zip.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.close()
        else:
            # Closing would write a directory for a torn archive.
            self._zip.fp = None


class ArchiveReader:
    """The records of the zip archive in `file`, an open binary file that can seek."""

    def __init__(self, file):
        self._file = file
        self._end = file.seek(0, io.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                directory = archive.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise _broken(f"failed finding central directory ({error})") from None
        self._records = {}
        spans = []
        for entry in entries:
            self._admit(entry, directory, spans)
        spans.sort()
        for (_, end, first), (start, _, second) in zip(spans, spans[1:], strict=False):
            if start < end:
                raise _broken(f"the records '{first}' and '{second}' overlap")
        self.root = self._find_root()

    def _admit(self, entry, directory, spans):
        name = entry.filename
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise _broken(
                f"the record '{name}' is compressed or encrypted. The records of a .pt file are "
                "stored as they are; unpack the archive and pack it again without compression "
                "(zip -0)."
            )
        if name in self._records:
            raise _broken(f"the record '{name}' appears twice")
        header = b""
        if entry.header_offset >= 0:
            self._file.seek(entry.header_offset)
            header = self._file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise _broken(f"the record '{name}' has no header where the directory says")
        fields = _LOCAL_HEADER.unpack(header)
        start = entry.header_offset + _LOCAL_HEADER.size + fields[-2] + fields[-1]
        end = start + entry.file_size
        if entry.file_size != entry.compress_size or end > directory:
            raise _broken(
                f"the record '{name}' says it has {entry.file_size} bytes, more than there are"
            )
        self._records[name] = (start, entry.file_size, entry.CRC)
        spans.append((entry.header_offset, end, name))

    def _find_root(self):
        for name in self._records:
            root, slash, rest = name.partition("/")
            if slash and rest == "data.pkl":
                return root
        raise _broken("file not found: data.pkl (this is a zip archive, but not a .pt file)")

    def has(self, name):
        """Whether there is a record `name`."""
        return f"{self.root}/{name}" in self._records

    def span(self, name):
        """Return the (first byte, number of bytes, checksum) of the record `name`."""
        try:
            return self._records[f"{self.root}/{name}"]
        except KeyError:
            raise _broken(f"file not found: {self.root}/{name}") from None

    def read(self, name):
        """Return the bytes of the record `name`."""
        return self.read_array(name).tobytes()

    def read_array(self, name):
        """Return the bytes of the record `name` in a new uint8 array."""
        start, size, checksum = self.span(name)
        data = np.empty(size, dtype=np.uint8)
        self._file.seek(start)
        fill(self._file, data, f"the record '{name}'")
        if zlib.crc32(data.data) != checksum:
            raise _broken(f"the record '{name}' is damaged: its checksum does not match its bytes")
        return data


def fill(file, data, what):
    """Read exactly as many bytes from `file` as the uint8 array `data` holds."""
    view = memoryview(data)
    read_into = getattr(file, "readinto", None)
    while len(view):
        part = view[:_CHUNK]
        if read_into is not None:
            count = read_into(part)
        else:
            chunk = file.read(len(part))
            count = len(chunk)
            part[:count] = chunk
        if not count:
            raise _broken(f"{what} ends early, {len(view)} bytes are missing")
        view = view[count:]


def looks_like_zip(file):
    """Whether the bytes that follow in `file` are those of a zip archive; reads nothing away."""
    start = file.tell()
    first = file.read(4)
    file.seek(start)
    return first == b"PK\x03\x04"


def size_of(file):
    """The number of bytes from here to the end of `file`."""
    start = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    return end - start
