"""Make the small set of real pictures that rushlight carries, from the full Fashion-MNIST.

    apt-get install dataset-fashion-mnist
    python tools/make_fashion_sample.py [--source /usr/share/datasets/fashion-mnist]

Ten classes in equal parts: 1,000 training and 200 test pictures of each, chosen and shuffled with
a fixed seed. The same source and seed give the same file, byte for byte.
"""

from __future__ import annotations

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np

SEED = 20170825  # the day the data set was published
CLASSES = 10
TRAIN_PER_CLASS = 1000
TEST_PER_CLASS = 200
TARGET = Path(__file__).resolve().parents[1] / "rushlight" / "data" / "fashion_mnist_sample.npz"
MAX_BYTES = 6_000_000


def read_idx(path: Path) -> np.ndarray:
    """Read one gzipped IDX file of bytes: two zeros, type 8, rank, big-endian sizes, data."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(tuple(shape))


def stratified(labels: np.ndarray, per_class: int, random: np.random.Generator) -> np.ndarray:
    """Return shuffled indices with `per_class` examples of every class."""
    chosen = [
        random.choice(np.flatnonzero(labels == label), per_class, replace=False)
        for label in range(CLASSES)
    ]
    return random.permutation(np.concatenate(chosen))


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed npz whose bytes depend on the arrays alone (no time stamps)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue(), compresslevel=9)


def main() -> None:
    """Read the full set, choose the sample and write it."""
    parser = argparse.ArgumentParser(description="Make the embedded Fashion-MNIST sample.")
    parser.add_argument("--source", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    random = np.random.default_rng(SEED)
    arrays = {}
    for part, stem, per_class in (
        ("train", "train", TRAIN_PER_CLASS),
        ("test", "t10k", TEST_PER_CLASS),
    ):
        images = read_idx(options.source / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(options.source / f"{stem}-labels-idx1-ubyte.gz")
        index = stratified(labels, per_class, random)
        arrays[f"{part}_images"] = images[index]
        arrays[f"{part}_labels"] = labels[index]
    options.target.parent.mkdir(parents=True, exist_ok=True)
    write_npz(options.target, arrays)
    size = options.target.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{options.target} has {size} bytes, more than {MAX_BYTES}")
    print(f"{options.target.name}: {size} bytes")


if __name__ == "__main__":
    main()
