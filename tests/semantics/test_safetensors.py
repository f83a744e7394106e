"""Safetensors files: the bytes of the reference package, and checks of what is read."""

import json
import subprocess
import sys

import numpy as np
import pytest

import rushlight as torch
from rushlight import safetensors

NAMES = "bool uint8 int8 int16 uint16 float16 int32 uint32 float32 float64 int64 uint64".split()


def tensors():
    kept = {name: torch.tensor([[0, 1], [2, 3]]).to(getattr(torch, name)) for name in NAMES}
    kept["bf"] = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    kept["empty"] = torch.zeros(0, 4)
    kept["scalar"] = torch.tensor(3.0)
    kept["é"] = torch.ones(3)
    return kept


def same(left, right):
    assert set(left) == set(right)
    for name, tensor in right.items():
        assert left[name].dtype is tensor.dtype
        assert left[name].shape == tensor.shape
        assert left[name].tolist() == tensor.tolist()


def test_round_trip(tmp_path):
    kept = tensors()
    path = tmp_path / "x.safetensors"
    safetensors.save_file(kept, path, {"format": "pt"})
    same(safetensors.load_file(path), kept)
    same(safetensors.load(safetensors.save(kept)), kept)
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert list(file.keys()) == sorted(kept)
        assert file.get_tensor("scalar").item() == 3.0
        with pytest.raises(safetensors.SafetensorError, match="does not contain tensor x"):
            file.get_tensor("x")
    loaded = safetensors.load_file(path)["float32"]
    loaded.add_(1)
    assert loaded.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_bytes_are_those_of_the_reference_package():
    reference = pytest.importorskip("safetensors.numpy")
    kept = tensors()
    del kept["bf"]  # NumPy alone has no such type
    arrays = {name: np.array(tensor.numpy()) for name, tensor in kept.items()}
    ours = safetensors.save(kept, {"a": "b"})
    assert ours == reference.save(arrays, {"a": "b"})
    loaded = reference.load(ours)
    assert all((loaded[name] == array).all() for name, array in arrays.items())


def test_what_cannot_be_saved():
    base = torch.arange(6.0).reshape(2, 3)
    with pytest.raises(ValueError, match="non contiguous tensor: `a`"):
        safetensors.save({"a": base.t()})
    with pytest.raises(RuntimeError, match="Some tensors share memory"):
        safetensors.save({"a": base, "b": base.view(6)})
    with pytest.raises(ValueError, match="expected torch.Tensor but received list"):
        safetensors.save({"a": [1]})
    with pytest.raises(ValueError, match="Expected a dict"):
        safetensors.save([base])
    with pytest.raises(safetensors.SafetensorError, match="complex128"):
        safetensors.save({"a": torch.ones(1, dtype=torch.complex128)})
    with pytest.raises(TypeError, match="metadata"):
        safetensors.save({"a": base}, {"a": 1})


def file_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "too small"),
        (file_of(b"{}", length=2**40), "header too large"),
        (file_of(b"{}", length=100), "invalid header length"),
        (file_of(b"not json"), "header"),
        (file_of(b"[" * 10_000), "header"),
        (file_of([]), "not a JSON object"),
        (file_of(b'{"a":1,"a":2}'), "twice"),
        (file_of({"a": entry()}, b"\0" * 4), "the file has 4"),
        (file_of({"a": entry()}, b"\0" * 12), "the file has 12"),
        (file_of({"a": entry(shape=(3,))}, b"\0" * 8), "needs 12 bytes"),
        (file_of({"a": entry(offsets=(4, 12))}, b"\0" * 12), "invalid offset"),
        (file_of({"a": entry(), "b": entry()}, b"\0" * 8), "invalid offset"),
        (file_of({"a": entry(shape=(-2,))}, b"\0" * 8), "malformed"),
        (file_of({"a": entry(shape=(2**62, 2**62))}, b"\0" * 8), "needs"),
        (file_of({"a": entry(dtype="X9")}, b"\0" * 8), "dtype 'X9'"),
        (file_of({"a": 3}), "malformed"),
        (file_of({"__metadata__": {"a": 1}}), "metadata"),
    ],
)
def test_malformed(data, text):
    with pytest.raises(safetensors.SafetensorError, match=text):
        safetensors.load(data)


class Tied:
    """A module as far as these functions look: two names for one weight."""

    def __init__(self):
        self.weight = torch.ones(2, 2)
        self.bias = torch.zeros(2)

    def state_dict(self):
        return {"b.weight": self.weight, "a.weight": self.weight, "bias": self.bias}

    def load_state_dict(self, state, strict):
        own = self.state_dict()
        for name in own.keys() & state.keys():
            own[name].copy_(state[name])
        return sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())


def test_models_with_tied_weights(tmp_path):
    path = tmp_path / "m.safetensors"
    model = Tied()
    model.weight.fill_(5)
    safetensors.save_model(model, path)
    assert sorted(safetensors.load_file(path)) == ["a.weight", "bias"]
    fresh = Tied()
    assert safetensors.load_model(fresh, path) == ([], [])
    assert fresh.weight.tolist() == [[5.0, 5.0], [5.0, 5.0]]
    safetensors.save_file({"other": torch.ones(1)}, path)
    with pytest.raises(RuntimeError, match="Missing key"):
        safetensors.load_model(fresh, path)
    missing, unexpected = safetensors.load_model(fresh, path, strict=False)
    assert unexpected == ["other"]
    assert len(missing) == 3


PROGRAM = """
import sys, torch
from safetensors.torch import load, load_file, save, save_file
kept = {"a": torch.ones(2, 3), "h": torch.ones(3, dtype=torch.bfloat16)}
save_file(kept, sys.argv[1])
for found in (load(save(kept)), load_file(sys.argv[1])):
    assert all(found[name].dtype == kept[name].dtype for name in kept)
    assert all(found[name].tolist() == kept[name].tolist() for name in kept)
print("done")
"""


def test_the_reference_package_works_on_these_tensors(tmp_path):
    pytest.importorskip("safetensors")
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "rushlight", "run", str(script), str(tmp_path / "x.st")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout == "done\n", result.stderr
    assert sorted(safetensors.load_file(tmp_path / "x.st")) == ["a", "h"]
