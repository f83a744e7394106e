"""Record what torchvision answers, for the tests beside this file.

    python -m tests.vision.record

needs torch, torchvision and Pillow. The recorded files are tests/vision/recorded/*.
"""

import json
import random
from pathlib import Path

import numpy as np

from tests.vision import model_cases, text_cases, transform_cases

FOLDER = Path(__file__).with_name("recorded")


def record_transforms(torch, T, Image):
    arrays, errors, after = {}, {}, {}
    pixels = transform_cases.pixels()
    bytes_tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    inputs = {
        "pil": Image.fromarray(pixels),
        "uint8": bytes_tensor,
        "float": bytes_tensor.float() / 255,
    }
    for kind, image in inputs.items():
        for expression in transform_cases.RANDOM + transform_cases.FIXED:
            for seed in transform_cases.SEEDS if expression in transform_cases.RANDOM else (0,):
                torch.manual_seed(seed)
                random.seed(seed)
                result = transform_cases.apply(expression, T, torch, image)
                key = f"{kind}|{expression}|{seed}"
                if isinstance(result, Exception):
                    errors[key] = [type(result).__name__, str(result)]
                    continue
                after[key] = [torch.rand(1).item(), random.random()]
                for part, array in enumerate(transform_cases.as_arrays(result)):
                    arrays[f"{key}|{part}"] = array
    np.savez_compressed(FOLDER / "transforms.npz", **arrays)
    write("transforms.json", {"errors": errors, "after": after})


def record_text(torch, T):
    write("text.json", {case: text_cases.answer(case, T, torch) for case in text_cases.CASES})


def record_models(torch, models):
    write(
        "models.json",
        {name: model_cases.summary(name, models, torch) for name in model_cases.NAMES},
    )


def write(name, value):
    (FOLDER / name).write_text(json.dumps(value, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    import torch
    from PIL import Image
    from torchvision import models, transforms

    record_transforms(torch, transforms, Image)
    record_text(torch, transforms)
    record_models(torch, models)
