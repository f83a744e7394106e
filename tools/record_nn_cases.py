"""Record what PyTorch gives for the cases in tests/nn/cases_*.py.

    python tools/record_nn_cases.py      # needs torch==2.13.0; writes tests/data/nn/cases.npz

The archive holds one array per tensor ("case/number") and "texts": a JSON object of the texts.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.nn import cases, test_cases  # noqa: E402


def main():
    """Run every case and write the archive."""
    torch.set_num_threads(1)
    arrays, texts = {}, {}
    for name in test_cases.names():
        tensors, texts[name] = cases.run(torch, name)
        for number, tensor in enumerate(tensors):
            array = tensor.detach()
            array = array.float() if array.dtype == torch.bfloat16 else array
            arrays[f"{name}/{number}"] = array.numpy()
    arrays["texts"] = np.array(json.dumps(texts, indent=0))
    np.savez_compressed(test_cases.ARCHIVE, **arrays)
    print(f"{test_cases.ARCHIVE}: {len(texts)} cases, {test_cases.ARCHIVE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
