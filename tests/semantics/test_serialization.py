"""The .pt format: round trips, PyTorch's own files, sharing, devices, and what is refused."""

import collections
import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.tensor.tensor import Parameter

RECORDED = pathlib.Path(__file__).resolve().parent.parent / "data" / "checkpoints"
NAMES = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 "
    "uint16 uint32 uint64"
).split()


def dtype_of(name):
    return getattr(torch, name)


def round_trip(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return torch.load(file)


def numbers(name):
    return torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype_of(name))


def same(left, right):
    assert type(left) is type(right)
    assert left.dtype is right.dtype
    assert left.shape == right.shape
    assert left.stride() == right.stride()
    assert left.storage_offset() == right.storage_offset()
    assert left.requires_grad == right.requires_grad
    assert left.tolist() == right.tolist()


FORMATS = [{}, {"pickle_protocol": 4}, {"pickle_protocol": 5}]
LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.mark.parametrize("options", [*FORMATS, LEGACY, {**LEGACY, "pickle_protocol": 4}])
@pytest.mark.parametrize("name", NAMES)
def test_every_dtype(name, options):
    tensor = numbers(name)
    same(round_trip(tensor, **options), tensor)
    same(round_trip(tensor.t(), **options), tensor.t())


@pytest.mark.parametrize("options", [*FORMATS, LEGACY])
def test_views_stay_views_of_one_storage(options):
    base = torch.arange(12.0).reshape(3, 4)
    kept = {"base": base, "row": base.narrow(0, 1, 1), "t": base.t(), "twice": base}
    loaded = round_trip(kept, **options)
    for name, tensor in kept.items():
        same(loaded[name], tensor)
    assert loaded["twice"] is loaded["base"]
    assert loaded["row"].untyped_storage() is loaded["base"].untyped_storage()
    loaded["base"].zero_()
    assert loaded["t"].tolist() == [[0.0] * 3] * 4
    assert loaded["row"].tolist() == [[0.0] * 4]


def test_a_slice_brings_its_whole_storage():
    part = torch.arange(100.0).narrow(0, 10, 2)
    loaded = round_trip(part)
    assert loaded.untyped_storage().nbytes() == 400
    assert loaded.storage_offset() == 10


@pytest.mark.parametrize("options", [*FORMATS, LEGACY])
def test_flags_and_attributes(options):
    leaf = torch.zeros(2, requires_grad=True)
    parameter = Parameter(torch.ones(2))
    frozen = Parameter(torch.ones(2), requires_grad=False)
    marked = Parameter(torch.ones(2))
    marked.note = {"a": 1}
    named = torch.ones(2)
    named.tag = "x"
    result = (leaf * 2).detach().requires_grad_()
    kept = [leaf, parameter, frozen, marked, named, result, torch.zeros(0, 3), torch.tensor(1.5)]
    loaded = round_trip(kept, **options)
    for before, after in zip(kept, loaded, strict=True):
        same(after, before)
    assert loaded[3].note == {"a": 1}
    assert loaded[4].tag == "x"
    assert loaded[0].grad is None and loaded[0].is_leaf


@pytest.mark.parametrize("options", [*FORMATS, LEGACY])
def test_plain_containers(options):
    kept = {
        "list": [1, -2, 2**70, -(2**70), 1.5, float("inf"), True, None, "é日", b"\x00\xff"],
        "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "sets": [{1, 2}, frozenset({"a"}), set()],
        "other": [1 + 2j, bytearray(b"xy"), slice(1, None, 2), 300, 70000],
        "counter": collections.Counter("aab"),
        "default": collections.defaultdict(list, {1: [2]}),
        "deque": collections.deque([1, 2], 5),
        "ordered": collections.OrderedDict(b=1, a=2),
        "types": [torch.Size([2, 3]), torch.float16, torch.device("cuda", 1), torch.strided],
        ("a", 1): {2.5: "x", None: {}},
    }
    kept["ordered"]._metadata = collections.OrderedDict(version=1)
    loaded = round_trip(kept, **options)
    assert loaded == kept
    assert loaded["default"].default_factory is list
    assert loaded["ordered"]._metadata == {"version": 1}
    assert list(map(type, loaded["types"])) == list(map(type, kept["types"]))
    assert loaded["types"][1] is torch.float16
    assert loaded["deque"].maxlen == 5


def test_an_object_that_holds_itself():
    loop = [1]
    loop.append(loop)
    loaded = round_trip(loop)
    assert loaded[1] is loaded


def check_recorded(loaded, conjugate=True):
    base = torch.arange(6.0).reshape(2, 3)
    for name, tensor in loaded["dtypes"].items():
        dtype = dtype_of(name.removeprefix("torch."))
        same(tensor, torch.arange(4).reshape(2, 2).to(dtype))
    same(loaded["base"], base)
    same(loaded["transposed"], base.t())
    same(loaded["part"], base.t().narrow(0, 1, 2))
    assert loaded["part"].untyped_storage() is loaded["base"].untyped_storage()
    same(loaded["expanded"], torch.ones(1).expand(3))
    same(loaded["leaf"], torch.zeros(2, requires_grad=True))
    same(loaded["parameter"], Parameter(torch.full((2,), 3.0)))
    assert loaded["marked"].note == "kept" and loaded["named"].tag == (1, 2)
    same(loaded["empty"], torch.zeros(0, 3))
    same(loaded["scalar"], torch.tensor(2.5, dtype=torch.float64))
    assert loaded["conjugate"].tolist() == [[complex(n, -n) for n in row] for row in base.tolist()]
    state = loaded["state"]
    assert type(state) is collections.OrderedDict
    assert list(state)[:3] == ["0.weight", "0.bias", "1.weight"]
    assert state["1.num_batches_tracked"].tolist() == 0
    assert state._metadata["1"] == {"version": 2}
    plain = [1, -2, 2**70, 1.5, True, None, "é", b"\x00\xff", (1, (2, 3)), {1, 2}, 1 + 2j]
    assert loaded["plain"] == plain
    assert loaded["bytearray"] == bytearray(b"xy")
    assert loaded["counter"] == collections.Counter("aab")
    assert list(loaded["ordered"].items()) == [("b", 1), ("a", 2)]
    assert type(loaded["size"]) is torch.Size and loaded["size"] == (2, 3)
    assert loaded["dtype"] is torch.float16
    assert loaded["device"] == torch.device("cpu")
    assert loaded["layout"] is torch.strided


@pytest.mark.parametrize("name", ["archive.pt", "archive_protocol4.pt", "legacy.pt"])
def test_files_of_pytorch(name):
    check_recorded(torch.load(RECORDED / name))
    check_recorded(torch.load(RECORDED / name, weights_only=True, map_location="cpu"))
    with open(RECORDED / name, "rb") as file:
        check_recorded(torch.load(file, weights_only=False))
    check_recorded(torch.load(io.BytesIO((RECORDED / name).read_bytes())))


def test_unsigned_files_of_pytorch():
    loaded = torch.load(RECORDED / "unsigned.pt")
    for name, tensor in loaded.items():
        assert str(tensor.dtype) == name
        assert tensor.tolist() == [0, 1, 2]


def test_a_mapped_file_is_read_when_used_and_never_written(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.arange(5.0), "b": torch.ones(3, dtype=torch.int16)}, path)
    before = path.read_bytes()
    loaded = torch.load(path, mmap=True)
    assert loaded["a"].tolist() == [0, 1, 2, 3, 4]
    assert loaded["b"].tolist() == [1, 1, 1]
    loaded["a"].add_(1)
    assert loaded["a"].tolist() == [1, 2, 3, 4, 5]
    assert path.read_bytes() == before
    check_recorded(torch.load(RECORDED / "archive.pt", mmap=True))


def test_mapping_needs_a_path_and_an_archive(tmp_path):
    with pytest.raises(ValueError, match="f must be a file path"):
        torch.load(io.BytesIO(b""), mmap=True)
    torch.save(1, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torch.load(tmp_path / "old.pt", mmap=True)


def test_the_archive_is_what_pytorch_expects(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"a": torch.ones(3), "b": torch.ones(70)}, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "net/data.pkl"
        assert {"net/version", "net/byteorder", "net/data/0", "net/data/1"} <= set(names)
        assert archive.read("net/version") == b"3\n"
        assert archive.read("net/.format_version") == b"1"
        assert archive.read("net/.storage_alignment") == b"64"
        assert archive.read("net/data/0") == np.ones(3, np.float32).tobytes()
        raw = path.read_bytes()
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            at = entry.header_offset
            name, extra = (int.from_bytes(raw[at + i : at + i + 2], "little") for i in (26, 28))
            assert (at + 30 + name + extra) % 64 == 0
    file = io.BytesIO()
    torch.save(1, file)
    assert zipfile.ZipFile(file).namelist()[0] == "archive/data.pkl"


def test_file_objects(tmp_path):
    file = io.BytesIO(b"")
    file.write(b"before")
    torch.save(torch.ones(2), file, _use_new_zipfile_serialization=False)
    file.seek(6)
    assert torch.load(file).tolist() == [1.0, 1.0]

    class Slow:
        """Reads, but not into a buffer."""

        def __init__(self, data):
            self._file = io.BytesIO(data)

        def read(self, *size):
            return self._file.read(*size)

        def seek(self, *place):
            return self._file.seek(*place)

        def tell(self):
            return self._file.tell()

    saved = io.BytesIO()
    torch.save(torch.ones(2), saved)
    assert torch.load(Slow(saved.getvalue())).tolist() == [1.0, 1.0]
    with pytest.raises(AttributeError, match="seekable"):
        torch.load(object())
    with pytest.raises(AttributeError, match="with a 'write' attribute"):
        torch.save(1, object())
    with open(tmp_path / "x.pt", "wb") as handle:
        torch.save(torch.ones(2), handle)
    assert torch.load(os.fspath(tmp_path / "x.pt")).tolist() == [1.0, 1.0]
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "missing.pt")
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(1, tmp_path / "missing" / "x.pt")


def test_one_storage_under_two_dtypes_is_refused():
    tensor = torch.ones(2)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        round_trip([tensor, tensor.view(torch.int32)])


# Where storages go.


@pytest.fixture
def cuda_file(monkeypatch):
    from rushlight._files import pickler

    monkeypatch.setattr(pickler, "location_tag", lambda storage: "cuda:0")
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "where",
    [
        "cpu",
        torch.device("cpu"),
        {"cuda:0": "cpu"},
        lambda storage, location: storage,
        lambda storage, location: storage if location == "cuda:0" else None,
    ],
)
def test_map_location(cuda_file, where):
    assert torch.load(io.BytesIO(cuda_file), map_location=where).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("where", [None, {"cuda:1": "cpu"}, lambda storage, location: None])
def test_cuda_without_a_device(cuda_file, where):
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(io.BytesIO(cuda_file), map_location=where)


def test_unknown_locations(cuda_file):
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        torch.load(io.BytesIO(cuda_file), map_location="nowhere")
    with pytest.raises(TypeError, match="map_location must be"):
        torch.load(io.BytesIO(cuda_file), map_location=3)


# Writing is all or nothing.


class Unpicklable:
    def __reduce__(self):
        raise ZeroDivisionError("no")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.pt"
    torch.save(torch.ones(2), path)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        torch.save([torch.ones(3), Unpicklable()], path)
    assert path.read_bytes() == before

    from rushlight._files.archive import ArchiveWriter

    def full_disk(self, name, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ArchiveWriter, "write", full_disk)
    with pytest.raises(OSError, match="No space left"):
        torch.save(torch.ones(3), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.pt"]


def test_a_save_keeps_permissions_and_links(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    torch.save(1, real)
    real.chmod(0o640)
    link.symlink_to(real)
    torch.save(2, link)
    assert link.is_symlink()
    assert torch.load(real) == 2
    assert real.stat().st_mode & 0o777 == 0o640


# PyTorch opens what is written here.


def test_pytorch_opens_ours(tmp_path):
    reference = pytest.importorskip("torch")
    base = torch.arange(6.0).reshape(2, 3)
    kept = collections.OrderedDict(
        base=base,
        part=base.t().narrow(0, 1, 2),
        parameter=Parameter(torch.ones(2)),
        half=numbers("bfloat16"),
        size=torch.Size([2, 3]),
        dtype=torch.float16,
        device=torch.device("cpu"),
        layout=torch.strided,
        plain=[1, 2**70, "é", b"\xff", (1, 2), {1}, 1 + 2j, None],
    )
    kept._metadata = {"": {"version": 1}}
    for name in NAMES:
        kept[name] = numbers(name)
    path = tmp_path / "ours.pt"
    for options in ({}, {"mmap": True}):
        torch.save(kept, path)
        loaded = reference.load(path, weights_only=True, **options)
        check_in_pytorch(reference, loaded, kept)
    for name in ("uint16", "uint32", "uint64"):
        del kept[name]  # PyTorch does not open these in its own legacy files either
    torch.save(kept, path, _use_new_zipfile_serialization=False)
    check_in_pytorch(reference, reference.load(path, weights_only=True), kept)


def check_in_pytorch(reference, loaded, kept):
    assert type(loaded) is collections.OrderedDict and loaded._metadata == kept._metadata
    assert list(loaded) == list(kept)
    for name, value in kept.items():
        if isinstance(value, torch.Tensor):
            found = loaded[name]
            assert str(found.dtype) == str(value.dtype)
            assert found.tolist() == value.tolist()
            assert found.stride() == value.stride()
            assert found.requires_grad == value.requires_grad
    assert type(loaded["parameter"]) is reference.nn.Parameter
    assert loaded["part"].data_ptr() == loaded["base"].data_ptr() + 4
    assert loaded["size"] == reference.Size([2, 3]) and loaded["dtype"] is reference.float16
    assert loaded["layout"] is reference.strided and loaded["plain"] == kept["plain"]


def test_pickle_is_a_module_that_may_be_named():
    file = io.BytesIO()
    torch.save(3, file, pickle_module=pickle)
    file.seek(0)
    assert torch.load(file) == 3
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        torch.load(file, something=1)


class Labelled(torch.Tensor):
    """A subclass with an attribute of its own."""


def test_subclasses_need_to_be_allowed():
    tensor = torch.arange(3.0).as_subclass(Labelled)
    tensor.label = "x"
    file = io.BytesIO()
    torch.save(tensor, file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Labelled"):
        torch.load(file)
    file.seek(0)
    with torch.serialization.safe_globals([Labelled]):
        loaded = torch.load(file)
    assert type(loaded) is Labelled and loaded.label == "x" and loaded.tolist() == [0, 1, 2]


def names_in(value):
    file = io.BytesIO()
    torch.save(value, file)
    return zipfile.ZipFile(file).read("archive/data.pkl")


def test_functions_and_modules_are_written_under_their_public_names():
    assert b"ctorch.nn.functional\ngelu\n" in names_in(torch.nn.functional.gelu)
    assert b"ctorch\nsigmoid\n" in names_in(torch.sigmoid)
    assert b"ctorch.nn.modules.linear\nLinear\n" in names_in(torch.nn.Linear(1, 1))
    with pytest.raises(pickle.PicklingError, match="no public name"):
        names_in(torch.channels_last)


def test_whole_modules_need_their_classes_allowed():
    module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    assert names[0] == "torch.nn.modules.container.Sequential"
    file.seek(0)
    with torch.serialization.safe_globals([torch.nn.Sequential, torch.nn.Linear, torch.nn.ReLU]):
        loaded = torch.load(file)
    for before, after in zip(module.parameters(), loaded.parameters(), strict=True):
        same(after, before)
    with torch.serialization.safe_globals([torch.nn.Linear]):
        linear = torch.load(RECORDED / "module.pt")
    assert linear(torch.ones(1, 2)).shape == (1, 1)
