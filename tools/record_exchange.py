"""Record what PyTorch makes of Python data and NumPy arrays: writes tests/data/exchange.json.

    python tools/record_exchange.py

Every case is one line of Python and the text of its result or error. The test evaluates the same
lines with rushlight in PyTorch's place.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
sys.path.insert(0, str(FOLDER.parent / "semantics"))

from exchange_helpers import names, outcome  # noqa: E402

CASES = r"""
T(1) | T(True) | T(1.5) | T(1j) | T([]) | T(()) | T([[], []]) | T([[[]]]) | T([(), ()])
T([1, 2]) | T([True, 2]) | T([True, 2.5]) | T([1, 2j]) | T([True, False]) | T([(1, 2), [3, 4]])
T([[1, 2], [3]]) | T([[1], 2]) | T([1, [2]]) | T([[1, 2], 3]) | T([[1, 2], [3, [4]]])
T([[], [1]]) | T([[1], []]) | T([[[1], [2]], [[3]]]) | T(torch.Size([1, 2])) | T(range(3))
T(None) | T("a") | T(["a"]) | T([None]) | T([1, None]) | T(b"ab") | T([b"a"]) | T({1: 2}) | T({1})
T(object()) | T((i for i in range(3))) | T([1, "a"]) | T([[1, 2], "ab"])
T({}, dtype=torch.float32)
T([{1}], dtype=torch.int64) | T([object()], dtype=torch.complex64) | T([None], dtype=torch.float32)
T(2**63) | T(2**63 - 1) | T(-(2**63)) | T(-(2**63) - 1) | T([2**64]) | T([1, 2**63])
T([1.0, 2**63]) | T(10**400) | T(10**400, dtype=torch.float32) | T(10**30, dtype=torch.float32)
T(300, dtype=torch.uint8) | T(-1, dtype=torch.uint8) | T(-256, dtype=torch.uint8)
T([300], dtype=torch.int8) | T([-1, 255], dtype=torch.uint8) | T(2**40, dtype=torch.int32)
T(2**31, dtype=torch.int32) | T(-129, dtype=torch.int8) | T(128, dtype=torch.int8)
T(-1, dtype=torch.uint16) | T(70000, dtype=torch.uint16) | T(2**64, dtype=torch.uint64)
T(2**63, dtype=torch.uint64) | T([-1], dtype=torch.uint64) | T(1.5, dtype=torch.uint64)
T(1.7, dtype=torch.int64) | T([1.7, -2.9], dtype=torch.int32) | T(nan, dtype=torch.int64)
T(inf, dtype=torch.int32) | T(1j, dtype=torch.float32) | T(1j, dtype=torch.int64)
T(1e30, dtype=torch.int64) | T(300.5, dtype=torch.uint8) | T(1.5, dtype=torch.uint16)
T(1.5, dtype=torch.bool) | T([0.0, 2.0], dtype=torch.bool) | T(nan, dtype=torch.bool)
T(1e40) | T(70000, dtype=torch.float16) | T([1e40], dtype=torch.float32)
T(1e300, dtype=torch.complex64) | T([1, 2], dtype=complex) | T([1], dtype=float)
T([1.5], dtype=int) | T([1.5], dtype=bool) | T([1], dtype="float32")
T(np.float32(1.5)) | T(np.float64(1.5)) | T(np.int32(3)) | T(np.bool_(True)) | T(np.complex64(1j))
T([np.float32(1.5)]) | T([np.float64(1.5)]) | T([np.int32(3), 4]) | T([np.float16(1), 2.0])
T([np.int64(1), np.float32(2)]) | T([np.uint8(1)]) | T([1, np.float32(2.5)])
T(np.arange(3)) | T(np.ones((2, 2), np.float32)) | T([np.ones(2), [1, 2]]) | T(np.array("a"))
T(np.array([object()])) | T(np.array([1, 2], dtype=">i4")) | T(np.arange(4)[::-1])
T(np.float32([1.5]), dtype=torch.int64) | T(np.array(["2020"], dtype="M8")) | T(np.array([b"a"]))
T(np.array([300]), dtype=torch.uint8) | T(np.zeros((0, 3))) | T([np.array([1, 2]), np.array([1])])
T([np.zeros((2, 2)), np.ones((2, 2))]).shape | T([np.array(3), np.array(4)])
T(np.ones((2, 3)).T).stride() | T(np.ones((2, 6))[:, ::2]).stride()
T([T(1), T(2)]) | T([T(1.0), T(2)]) | T([T([1, 2]), T([3, 4])]) | T([T([1.0, 2.0])]) | T(T([1, 2]))
T(T([1.0], requires_grad=True)) | T([T(1.5), 2]) | T([T(1), 2.5]) | T([T([1]), 2])
T([T([1]), T([2])]) | T([T(True), T(False)]) | T([1.0, T(2.0, dtype=torch.float64)])
T([T(2, dtype=torch.int32)]) | T([1.0], requires_grad=True)
T(Index()) | T([Index()]) | T(Float()) | T(Row(1, 2)) | T(Row(Row(1), Row(2))) | T(bytearray(b"ab"))
T([1, 2]).item() | T([]).item() | T([1.5]).item() | T([[2]]).item() | T(True).item()
T(1 + 2j).item()
T(1.5, dtype=torch.bfloat16).item() | T(0.1).item() | T(0.1, dtype=torch.float16).tolist()
T([[1, 2], [3, 4]]).tolist() | T(3).tolist() | torch.zeros(0, 3).tolist()
torch.zeros(2, 0).tolist()
T([0.1], dtype=torch.bfloat16).tolist() | T([1 + 2j]).tolist()
bool(T([])) | bool(T([1, 2])) | bool(T([0])) | bool(T(0.5)) | bool(T([[True]])) | bool(T(nan))
int(T(1.9)) | int(T([1, 2])) | float(T([1, 2])) | float(T(3)) | complex(T(1.5)) | int(T(1j))
float(T(1j)) | float(T(1 + 0j)) | int(T(nan)) | int(T(inf)) | int(T(True)) | float(T([]))
[10, 20, 30][T(1)] | [10, 20][T([1])] | [10, 20][T(1.0)] | [10, 20][T([0, 1])] | [10, 20][T(True)]
range(T(3)) | hex(T(10)) | list(range(10))[T(2) : T(4)] | T([[1]]).__index__()
len(T(1)) | len(T([1, 2])) | len(torch.zeros(0, 3)) | list(T([1, 2])) | list(T(1))
list(torch.zeros(2, 2)) | tuple(T([1.0, 2.0], requires_grad=True)) | "a" in T([1]) | None in T([1])
"%d" % T(3) | "%.2f" % T(3.14159) | "{:.2f}".format(T(3.14159)) | "{:}".format(T([1]))
"{:.2f}".format(T([1.5])) | str(T(1)) | math.floor(T(1.5)) | math.sqrt(T(4.0)) | round(T(1.5))
T([1.0, 2.0]).numpy() | T([1.0], requires_grad=True).numpy() | T(1).numpy()
T([1.0], requires_grad=True).numpy(force=True) | T([1.0], dtype=torch.bfloat16).numpy()
T([[1, 2], [3, 4]]).t().numpy() | torch.zeros(0, 3).numpy().shape | np.asarray(T([1, 2]))
np.array(T([1.0, 2.0]), dtype=np.int32) | np.asarray(T([1.0], requires_grad=True))
np.asarray(T([1.0], dtype=torch.bfloat16)) | np.float32(2) * T([1.0, 2.0])
T([1.0]) * np.float64(2)
T([1, 2]) + np.array([1, 2]) | np.sin(T([0.0, 1.0])) | np.stack([T([0.0, 1.0]), T([0.0, 1.0])])
np.concatenate([T([1]), T([2])]) | np.array([T(1), T(2)]) | np.float64(3) + T([1])
np.int64(3) + T([1]) | T([1]).__array__(np.float32) | T([1]).__array_priority__
T([1.0]).__array_wrap__(np.array([True])) | T([1, 2]).new_tensor([1.5])
torch.from_numpy(np.arange(3)) | torch.from_numpy(np.arange(4)[::-1]) | torch.from_numpy([1])
torch.from_numpy(np.array("a")) | torch.from_numpy(np.array([1, 2], dtype=">i4"))
torch.from_numpy(np.float32(1)) | torch.from_numpy(np.array(1.5))
torch.from_numpy(np.zeros((0, 3), np.uint16)) | torch.from_numpy(np.ones((2, 3))[:, ::2]).stride()
torch.from_numpy(np.array([object()])) | torch.from_numpy(np.ones(2, dtype="V4"))
torch.from_numpy(np.ones((2,), dtype=[("a", "f4"), ("b", "i2")])["a"])
torch.from_numpy(np.array([True, False])) | torch.from_numpy(np.ones(2, dtype="M8[s]"))
torch.as_tensor([1, 2]) | torch.as_tensor(1.5) | torch.as_tensor(np.arange(3))
torch.as_tensor(np.arange(3), dtype=torch.float32) | torch.as_tensor(np.float32(2))
torch.as_tensor(T([1, 2]), dtype=torch.float64) | torch.as_tensor(None) | torch.as_tensor("a")
torch.as_tensor([1], device="cpu") | torch.as_tensor(T([1.0], requires_grad=True))
torch.asarray([1, 2]) | torch.asarray(np.arange(3)) | torch.asarray(1.5) | torch.asarray(range(3))
torch.asarray(bytearray(b"\x01\x00\x00\x00"), dtype=torch.int32) | torch.asarray([1, 2], copy=False)
torch.asarray(np.arange(3), dtype=torch.float32, copy=False) | torch.asarray(T([1, 2]), copy=True)
torch.asarray([1, 2], dtype=torch.float32) | torch.asarray([1.0], requires_grad=True)
torch.asarray(np.float32(3)) | torch.asarray("a") | torch.asarray(None)
torch.asarray(5, copy=False)
torch.asarray(bytearray(b"abc")) | torch.asarray(T([1.0], requires_grad=True), requires_grad=False)
torch.frombuffer(bytearray(b"\x01\x02"), dtype=torch.uint8)
torch.frombuffer([1], dtype=torch.uint8)
torch.frombuffer(bytearray(8), dtype=torch.int32, count=1, offset=4)
torch.frombuffer(bytearray(6), dtype=torch.int32)
torch.frombuffer(bytearray(0), dtype=torch.int32)
torch.frombuffer(bytearray(8), dtype=torch.int32, offset=8)
torch.frombuffer(bytearray(8), dtype=torch.int32, count=3)
torch.frombuffer(bytearray(8), dtype=torch.int32, count=0)
torch.frombuffer(bytearray(8), dtype=torch.int32, count=-2)
torch.frombuffer(bytearray(8), dtype=torch.float32, requires_grad=True)
torch.frombuffer(bytearray(8), dtype=torch.int32, offset=-1)
torch.frombuffer(bytearray(7), dtype=torch.int32, offset=3)
torch.frombuffer(bytearray(8), dtype="a") | torch.frombuffer(np.arange(3), dtype=torch.int64)
torch.from_dlpack(np.arange(3)) | np.from_dlpack(T([1, 2])) | torch.from_dlpack(T([1.0, 2.0]))
torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(T([1, 2])))
T([1.0], requires_grad=True).__dlpack__() | np.from_dlpack(T([[1, 2], [3, 4]]).t())
torch.from_dlpack([1]) | np.from_dlpack(T([True])) | torch.from_dlpack(np.ones((2, 3)).T)
np.from_dlpack(T([1j])) | torch.from_dlpack(np.zeros((0, 3))) | torch.from_dlpack(np.arange(6)[::2])
torch.from_dlpack(T([1.5], dtype=torch.bfloat16)) | torch.from_dlpack(np.array(3))
torch.Tensor([1, 2]) | torch.Tensor(2, 3).shape | torch.Tensor() | torch.Tensor(3).shape
torch.Tensor([[1, 2], [3]]) | torch.Tensor(np.arange(3)) | torch.Tensor(1.5) | torch.Tensor("a")
torch.Tensor(torch.Size([2, 3])).shape | torch.Tensor((2, 3)) | torch.Tensor(T([1, 2]))
torch.FloatTensor([1, 2]) | torch.LongTensor([1.7, 2]) | torch.LongTensor(2, 3).shape
torch.ByteTensor([1, 2]) | torch.BoolTensor([1, 0]) | torch.DoubleTensor(2).dtype
torch.LongTensor(np.array([1, 2])) | isinstance(T([1.0]), torch.FloatTensor) | torch.FloatTensor
isinstance(T([1]), torch.FloatTensor) | torch.IntTensor([2**40]) | torch.HalfTensor([1]).dtype
T([1]).type() | T([1.0]).type(torch.LongTensor) | T([1.0]).type("torch.IntTensor")
torch.is_tensor(T(1)) | torch.is_tensor(1) | torch.is_storage(T([1.0]).untyped_storage())
"""


def main():
    calls = [call.strip() for line in CASES.strip().splitlines() for call in line.split(" | ")]
    records = []
    for call in calls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records.append({"call": call, "outcome": outcome(call, names(torch, np))})
    text = "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n"
    (FOLDER / "exchange.json").write_text(text, encoding="utf-8")
    print(len(records), "cases")


if __name__ == "__main__":
    main()
