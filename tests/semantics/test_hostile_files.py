"""Files that are damaged or made to do harm: nothing runs, nothing is allocated for nothing."""

import collections
import io
import os
import pathlib
import pickle
import random
import struct
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

import rushlight as torch
from rushlight._files.archive import ArchiveWriter

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "data" / "checkpoints"
EXPECTED = (pickle.UnpicklingError, EOFError, RuntimeError, NotImplementedError)


def archive_of(data, records=None, root="archive"):
    """The bytes of an archive with this data.pkl."""
    file = io.BytesIO()
    with ArchiveWriter(file, root) as writer:
        writer.write("data.pkl", data)
        writer.write("byteorder", sys.byteorder.encode())
        for name, value in (records or {}).items():
            writer.write(name, value)
        writer.write("version", b"3\n")
    return file.getvalue()


def load_pickle(data, records=None, **options):
    return torch.load(io.BytesIO(archive_of(data, records)), **options)


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("weights_only", [None, True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_runs(tmp_path, weights_only, protocol):
    mark = tmp_path / "mark"
    attacks = [
        Runs(os.mkdir, str(mark)),
        Runs(os.system, f"touch {mark}"),
        Runs(eval, f"open({str(mark)!r}, 'w')"),
        Runs(getattr, "x", "upper"),
        {"state": collections.OrderedDict(a=[Runs(os.mkdir, str(mark))])},
    ]
    for attack in attacks:
        data = pickle.dumps(attack, protocol=protocol)
        with pytest.raises(pickle.UnpicklingError, match="Unsupported global: GLOBAL"):
            load_pickle(data, weights_only=weights_only)
        legacy = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
        legacy += pickle.dumps({}, 2) + data + pickle.dumps([], 2)
        with pytest.raises(pickle.UnpicklingError, match="Unsupported global: GLOBAL"):
            torch.load(io.BytesIO(legacy), weights_only=weights_only)
        # In the place of the magic number, before anything else is looked at.
        with pytest.raises(pickle.UnpicklingError):
            torch.load(io.BytesIO(data), weights_only=weights_only)
    assert not mark.exists()


def test_the_message_names_the_global_and_the_remedy():
    with pytest.raises(pickle.UnpicklingError) as caught:
        torch.load(RECORDED / "custom.pt")
    text = str(caught.value)
    assert text.startswith("Weights only load failed.")
    assert "GLOBAL __main__.Custom was not an allowed global by default" in text
    assert "torch.serialization.add_safe_globals([Custom])" in text
    assert "model.state_dict()" in text
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.linear.Linear"):
        torch.load(RECORDED / "module.pt", weights_only=True)
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL __main__.Custom was not an allowed"):
        torch.load(RECORDED / "custom.pt", weights_only=False)


class Point:
    def __init__(self, x):
        self.x = x


def test_classes_the_program_allows():
    serialization = torch.serialization
    data = saved({"p": Point(3)})
    with pytest.raises(pickle.UnpicklingError, match="Point"):
        torch.load(io.BytesIO(data))
    assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == [f"{__name__}.Point"]
    with serialization.safe_globals([Point]):
        assert torch.load(io.BytesIO(data))["p"].x == 3
        assert serialization.get_safe_globals() == [Point]
        assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == []
    assert serialization.get_safe_globals() == []
    with serialization.safe_globals([(Point, "__main__.Custom")]):
        assert type(torch.load(RECORDED / "custom.pt")[0]) is Point
    serialization.add_safe_globals([Point])
    assert torch.load(io.BytesIO(data))["p"].x == 3
    serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError, match="Point"):
        torch.load(io.BytesIO(data))


def op(*parts):
    """A pickle of raw instructions."""
    return b"\x80\x02" + b"".join(parts) + b"."


def name(module, attribute):
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


TENSOR = name("torch._utils", "_rebuild_tensor_v2")
ORDERED = name("collections", "OrderedDict")


@pytest.mark.parametrize(
    "data",
    [
        op(name("torch", "Size"), b"}", b"X\x01\x00\x00\x00aK\x01s", b"b"),  # state of a class
        op(TENSOR, b"}", b"X\x01\x00\x00\x00aK\x01s", b"b"),  # state of a function
        op(ORDERED, b")R", b"}", b"X\x05\x00\x00\x00itemsK\x01s", b"b"),  # hides a method
        op(b"K\x05", b")R"),  # a call of a number
        op(name("torch", "float32"), b")R"),  # a call of a dtype
        op(name("torch", "FloatStorage"), b")R"),
        op(name("torch", "Tensor"), b")R"),
        op(name("torch", "Tensor"), b")\x81"),
        op(name("builtins", "bytearray"), b"K\x0a\x85R"),  # asks for memory by a number
        op(name("builtins", "set"), b"K\x01\x85R"),
        op(name("builtins", "list"), b"X\x01\x00\x00\x00a\x85R"),
        op(name("collections", "defaultdict"), TENSOR, b"\x85R"),
        op(name("torch", "device"), b"]\x85R"),
        op(name("torch", "Size"), b"J\xff\xff\xff\xff\x85\x85R"),
        op(b"K\x01Q"),  # persistent ids
        op(b"(X\x07\x00\x00\x00storageX\x01\x00\x00\x00aX\x01\x00\x00\x000h\x00K\x01tQ"),
        op(b"]]N\x86s"),  # sets an item of a list
        op(b"}]N]s"),  # an unhashable key
        op(b"K\x01K\x02a"),  # appends to a number
        op(b"h\x05"),  # a memo entry that is not there
        op(b"j\xff\xff\xff\xff"),
        op(b"t"),
        op(b"0"),
        op(b"\x8b\xff\xff\xff\xff"),  # negative length
        op(b"i__main__\nPoint\n"),  # protocol 0
        op(b"\x82\x01"),  # extension registry
        b"\x80\x01.",
        b"\x80\x06N.",
        b"",
        b"\x80",
    ],
)
def test_malformed_pickles(data):
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        load_pickle(data)


def tensor_call(storage, offset, size, stride, extra=b"\x89"):
    def whole(number):
        return b"\x8a\x08" + struct.pack("<q", number)

    def shape(numbers):
        return b"(" + b"".join(map(whole, numbers)) + b"t"

    arguments = storage + whole(offset) + shape(size) + shape(stride) + extra
    return TENSOR + b"(" + arguments + ORDERED + b")R" + b"tR"


def storage_of(kind="FloatStorage", count=4, key="0", location="cpu"):
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    number = b"\x8a\x08" + struct.pack("<q", count)
    parts = text("storage") + name("torch", kind) + text(key) + text(location) + number
    return b"(" + parts + b"tQ"


BYTES = {"data/0": np.arange(4, dtype=np.float32).tobytes()}


def test_a_pickle_written_by_hand_is_read():
    loaded = load_pickle(op(tensor_call(storage_of(), 1, [3], [1])), BYTES)
    assert loaded.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "call",
    [
        tensor_call(storage_of(), 0, [5], [1]),
        tensor_call(storage_of(), 1, [4], [1]),
        tensor_call(storage_of(), 0, [2, 2], [3, 1]),
        tensor_call(storage_of(), -1, [2], [1]),
        tensor_call(storage_of(), 0, [2], [-1]),
        tensor_call(storage_of(), 0, [-2], [1]),
        tensor_call(storage_of(), 0, [2, 2], [1]),
        tensor_call(storage_of(), 0, [2**62, 4], [0, 0]),
        tensor_call(storage_of(), 2**62, [1], [1]),
        tensor_call(storage_of(), 0, [1] * 65, [1] * 65),
        tensor_call(storage_of(), 0, [4], [1], extra=b"K\x02"),
        tensor_call(storage_of("IntStorage"), 0, [4], [1], extra=b"\x88"),
        tensor_call(storage_of("DoubleStorage"), 0, [4], [1]),
        tensor_call(storage_of(count=2**60), 0, [4], [1]),
        tensor_call(storage_of(count=-1), 0, [1], [1]),
        tensor_call(storage_of(count=3), 0, [1], [1]),
        tensor_call(b"K\x01", 0, [1], [1]),
        tensor_call(b"]", 0, [1], [1]),
    ],
)
def test_tensors_that_reach_beyond_their_storage(call):
    with pytest.raises(pickle.UnpicklingError):
        load_pickle(op(call), BYTES)


@pytest.mark.parametrize("key", ["1", "../0", "/etc/passwd", "", "0\0"])
def test_storages_that_are_not_there(key):
    with pytest.raises(RuntimeError, match="file not found"):
        load_pickle(op(tensor_call(storage_of(key=key), 0, [1], [1])), BYTES)


def measured(data):
    """What loading `data` raises; it must take little time, and memory in proportion to `data`."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(EXPECTED) as caught:
            torch.load(io.BytesIO(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000 + 100 * len(data)
    assert time.process_time() - started < 10
    return caught.value


def test_bombs():
    doubled = b")" + b"2\x86" * 60  # a tuple of itself twice, sixty times over
    measured(archive_of(op(b"}", doubled, b"Ns")))
    deep = b")" + b"\x85" * 50_000
    measured(archive_of(op(b"}", deep, b"Ns")))
    for length in (b"X\xff\xff\xff\x7f", b"B\xff\xff\xff\xff", b"\x8e" + b"\xff" * 7 + b"\x0f"):
        assert isinstance(measured(archive_of(op(length))), EOFError)
    assert isinstance(measured(archive_of(op(b"\x96" + b"\xff" * 6 + b"\0\0"))), EOFError)
    assert isinstance(measured(archive_of(op(b"\x95" + b"\xff" * 8))), EOFError)
    # One large text, copied by each of many short calls.
    text = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x00"
    copies = (name("_codecs", "encode") + b"q\x01h\x00\x85R") + b"h\x01h\x00\x85R" * 1000
    assert "copies more data" in str(measured(archive_of(op(text, copies))))
    measured(archive_of(op(b"r\xff\xff\xff\xff")))


def test_legacy_files_that_promise_too_much():
    start = saved(torch.ones(4), _use_new_zipfile_serialization=False)
    torch.load(io.BytesIO(start))
    count = start.rindex(struct.pack("<q", 4))
    for number in (5, 3, -1, 2**40, 2**62):
        measured(start[:count] + struct.pack("<q", number) + start[count + 8 :])
    for size in range(0, len(start), 7):
        measured(start[:size])


def rewritten(change, compression=zipfile.ZIP_STORED):
    """An archive as `zipfile` writes it, with a list of (name, data) changed by `change`."""
    original = zipfile.ZipFile(io.BytesIO(saved({"a": torch.ones(4)})))
    entries = change([(entry, original.read(entry)) for entry in original.namelist()])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return file.getvalue()


def load_bytes(data):
    return torch.load(io.BytesIO(data))


def test_archives_that_were_packed_again():
    assert load_bytes(rewritten(lambda entries: entries))["a"].tolist() == [1.0] * 4
    with pytest.raises(RuntimeError, match="compressed or encrypted"):
        load_bytes(rewritten(lambda entries: entries, zipfile.ZIP_DEFLATED))
    with pytest.raises(RuntimeError, match="file not found: data.pkl"):
        load_bytes(rewritten(lambda entries: entries[1:]))
    with pytest.raises(RuntimeError, match="file not found: archive/data/0"):
        load_bytes(rewritten(lambda entries: [e for e in entries if e[0] != "archive/data/0"]))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = rewritten(lambda entries: entries + entries[:1])
    with pytest.raises(RuntimeError, match="appears twice"):
        load_bytes(twice)
    with pytest.raises(NotImplementedError, match="TorchScript"):
        load_bytes(rewritten(lambda entries: [*entries, ("archive/constants.pkl", b"")]))

    def wrong_size(entries):
        return [(n, d[:-4] if n == "archive/data/0" else d) for n, d in entries]

    with pytest.raises(pickle.UnpicklingError, match="should have 16 bytes, its record has 12"):
        load_bytes(rewritten(wrong_size))


def test_damaged_bytes_are_noticed():
    good = saved({"a": torch.arange(100.0)})
    at = good.index(np.arange(100, dtype=np.float32).tobytes())
    bad = bytearray(good)
    bad[at + 5] ^= 1
    with pytest.raises(RuntimeError, match="checksum"):
        load_bytes(bytes(bad))
    for size in [*range(0, 64), *range(64, len(good), 41)]:
        measured(good[:size])


def test_records_that_overlap():
    file = io.BytesIO()
    with ArchiveWriter(file, "archive") as writer:
        writer.write("data.pkl", op(b"N"))
        writer.write("data/0", b"abcd")
    raw = bytearray(file.getvalue())
    directory = raw.rindex(b"PK\x01\x02")
    first = raw.index(b"PK\x01\x02")
    # The second entry of the directory says that it starts where the first does.
    raw[directory + 42 : directory + 46] = raw[first + 42 : first + 46]
    with pytest.raises(RuntimeError, match="overlap"):
        load_bytes(bytes(raw))


def test_the_other_byte_order():
    values = np.arange(4, dtype=np.float32)
    pickled = op(tensor_call(storage_of(), 0, [4], [1]))
    other = "big" if sys.byteorder == "little" else "little"
    file = io.BytesIO()
    with ArchiveWriter(file, "archive") as writer:
        writer.write("data.pkl", pickled)
        writer.write("byteorder", other.encode())
        writer.write("data/0", values.byteswap().tobytes())
    assert load_bytes(file.getvalue()).tolist() == values.tolist()


def test_other_files(tmp_path):
    with pytest.raises(EOFError):
        load_bytes(b"")
    for data in (b"hello\n", b"\x89PNG\r\n", b"PK\x03\x04" + b"\0" * 100, b"\x1f\x8b", b"\0" * 512):
        with pytest.raises(EXPECTED):
            load_bytes(data)
    with pytest.raises(IsADirectoryError):
        torch.load(tmp_path)


def test_thousands_of_damaged_files():
    """Random damage ends in one of the documented errors, or in a file that is still valid."""
    rng = random.Random(0)
    kept = collections.OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=[1, (2, {"c": {3}})])
    kept["d"] = [torch.Size([1]), torch.float16, b"x", 2**70, 1 + 2j, torch.ones(2).t()]
    files = [saved(kept, pickle_protocol=protocol) for protocol in (2, 4)]
    files.append(saved(kept, _use_new_zipfile_serialization=False))
    pickles = [zipfile.ZipFile(io.BytesIO(f)).read("archive/data.pkl") for f in files[:2]]
    reader = zipfile.ZipFile(io.BytesIO(files[0]))
    records = {n.partition("/")[2]: reader.read(n) for n in reader.namelist() if "/data/" in n}
    loaded = 0
    for _ in range(1500):
        if rng.random() < 0.4:
            data = damaged(rng, rng.choice(files))
        else:
            data = archive_of(damaged(rng, rng.choice(pickles)), records)
        try:
            torch.load(io.BytesIO(data))
            loaded += 1
        except EXPECTED:
            pass
    assert loaded < 1000


def damaged(rng, data):
    data = bytearray(data)
    kind = rng.randrange(5)
    at = rng.randrange(len(data) - 8)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        data[at : at + 4] = rng.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 8, b"\xff" * 8])
    elif kind == 3:
        data[at:at] = data[at : at + rng.randrange(200)]
    else:
        del data[at : at + rng.randrange(1, 50)]
    return bytes(data)
