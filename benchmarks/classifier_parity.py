"""The notes' classifier on rushlight and on PyTorch, from one seed over the same data.

    python benchmarks/classifier_parity.py [--steps 200] [--data FOLDER] [--workers 0] [--json FILE]

Needs PyTorch. Compared: the initial weights bit for bit, every batch (pictures and labels), and the
losses, which may differ by 1e-4 relative. Without --data the pictures are the embedded sample as
3x32x32; FOLDER is a folder of class folders of 32x32 pictures (as CIFAR-10's). Exit code 1 where
something differs by more.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.lenet import make_net  # noqa: E402

TOLERANCE = 1e-4


def load_pictures(folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Return (uint8 pictures [N, 3, 32, 32], int64 labels [N])."""
    if folder is None:
        from rushlight.vision.datasets.sample import load_fashion_mnist_sample

        images, labels, _, _ = load_fashion_mnist_sample()
        padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
        return np.repeat(padded[:, None], 3, axis=1), labels
    from PIL import Image

    pictures, labels = [], []
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    for number, path in enumerate(classes):
        for file in sorted(path.iterdir())[:1000]:
            with Image.open(file) as image:
                pictures.append(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
            labels.append(number)
    return np.stack(pictures), np.array(labels, dtype=np.int64)


def digest(array: np.ndarray) -> str:
    """Return a short fingerprint of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def run(torch: Any, pictures: np.ndarray, labels: np.ndarray, steps: int, workers: int) -> dict:
    """Train as the notes do and return what is compared."""

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(labels)

        def __getitem__(self, index):
            image = torch.tensor(pictures[index]).float().div(255)
            return (image - 0.5) / 0.5, int(labels[index])

    torch.manual_seed(0)
    net = make_net(torch)
    weights = {name: digest(value.numpy()) for name, value in net.state_dict().items()}
    loader = torch.utils.data.DataLoader(
        Pictures(), batch_size=4, shuffle=True, num_workers=workers
    )
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    losses, batches = [], []
    while len(losses) < steps:
        for inputs, targets in loader:
            if len(losses) == steps:
                break
            batches.append(digest(inputs.numpy()) + digest(targets.numpy()))
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return {"weights": weights, "batches": batches, "losses": losses}


def main() -> int:
    """Run both, compare, print three lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pictures, labels = load_pictures(options.data)
    results = {}
    for name in ("rushlight", "torch"):
        module = importlib.import_module(name)
        importlib.import_module(f"{name}.utils.data")
        results[name] = run(module, pictures, labels, options.steps, options.workers)
    ours, theirs = results["rushlight"], results["torch"]
    same_weights = ours["weights"] == theirs["weights"]
    same_batches = sum(one == other for one, other in zip(ours["batches"], theirs["batches"]))
    differences = [
        abs(one - other) / abs(other) for one, other in zip(ours["losses"], theirs["losses"])
    ]
    worst = max(differences)
    print(f"initial weights: {'identical' if same_weights else 'DIFFERENT'}")
    print(f"batches: {same_batches} of {options.steps} identical")
    print(f"losses: largest relative difference {worst:.2e} over {options.steps} steps (1e-4)")
    passed = same_weights and same_batches == options.steps and worst <= TOLERANCE
    if options.json:
        report = {"passed": passed, "worst": worst, **results}
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
