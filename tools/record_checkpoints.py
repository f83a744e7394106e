"""Write small .pt files with PyTorch for tests/semantics/test_serialization.py.

    python tools/record_checkpoints.py

The tests know what is in them; here it is written down once more, in PyTorch.
"""

import collections
import pathlib
import warnings

import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "checkpoints"
DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.complex64, torch.complex128),
]


def contents():
    base = torch.arange(6.0).reshape(2, 3)
    marked = torch.nn.Parameter(torch.ones(2))
    marked.note = "kept"
    named = base.clone()
    named.tag = (1, 2)
    return {
        "dtypes": {str(d): torch.arange(4).reshape(2, 2).to(d) for d in DTYPES},
        "base": base,
        "transposed": base.t(),
        "part": base.t()[1:],
        "expanded": torch.ones(1).expand(3),
        "leaf": torch.zeros(2, requires_grad=True),
        "parameter": torch.nn.Parameter(torch.full((2,), 3.0)),
        "marked": marked,
        "named": named,
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "conjugate": torch.complex(base, base).conj(),
        "state": torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1)).state_dict(),
        "plain": [1, -2, 2**70, 1.5, True, None, "é", b"\x00\xff", (1, (2, 3)), {1, 2}, 1 + 2j],
        "bytearray": bytearray(b"xy"),
        "counter": collections.Counter("aab"),
        "ordered": collections.OrderedDict(b=1, a=2),
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "layout": torch.strided,
    }


class Custom:
    """A class that a reader does not know."""


def main():
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    everything = contents()
    torch.save(everything, FOLDER / "archive.pt")
    torch.save(everything, FOLDER / "archive_protocol4.pt", pickle_protocol=4)
    torch.save(everything, FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    unsigned = {str(d): torch.arange(3).to(d) for d in (torch.uint16, torch.uint32, torch.uint64)}
    torch.save(unsigned, FOLDER / "unsigned.pt")
    torch.save(torch.nn.Linear(2, 1), FOLDER / "module.pt")
    torch.save([Custom()], FOLDER / "custom.pt")
    for path in sorted(FOLDER.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
