"""Record PyTorch's optimizers and schedules, for tests that run without PyTorch.

    python tools/record_optimizers.py            # needs torch==2.13.0; writes tests/data/optim/

trajectories.npz: parameters after steps 1, 5 and 10 of every configuration in PyTorch's own test
database (L-BFGS in float64: in float32 its path is chaotic), and the state's keys and shapes.
schedules.json: learning rates, momenta and saved state of the cases in tests/optim/schedules.py.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.testing._internal.common_optimizers import optim_db

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "data" / "optim"
sys.path.insert(0, str(ROOT))
RECORDED_STEPS = (1, 5, 10)


def plain(options):
    """Options as JSON: a tensor as {"tensor": number}."""
    return {
        key: {"tensor": value.item()} if isinstance(value, torch.Tensor) else value
        for key, value in options.items()
    }


def record_trajectories():
    arrays, index = {}, []
    for info in optim_db:
        name = info.optim_cls.__name__
        if info.only_supports_sparse_grads:
            continue
        dtype = torch.float64 if name == "LBFGS" else torch.float32
        shapes = [(10, 5), (5, 4)] if name == "Muon" else [(10, 5), (5,)]
        generator = torch.Generator().manual_seed(3)
        start = [torch.randn(shape, generator=generator) for shape in shapes]
        gradients = [
            [torch.randn(shape, generator=generator) for shape in shapes] for _ in range(10)
        ]
        kind = "matrices" if name == "Muon" else "usual"
        for i, value in enumerate(start):
            arrays[f"{kind}/start/{i}"] = value.numpy().copy()
        for step, values in enumerate(gradients):
            for i, value in enumerate(values):
                arrays[f"{kind}/gradient/{step}/{i}"] = value.numpy().copy()
        for number, config in enumerate(info.optim_inputs_func(device="cpu")):
            options = dict(config.kwargs)
            if "foreach" in info.supported_impls:
                options["foreach"] = False
            params = [value.clone().to(dtype).requires_grad_() for value in start]
            optimizer = info.optim_cls(params, **options)
            key = f"{name}/{number}"
            for step, values in enumerate(gradients, 1):
                values = [value.to(dtype) for value in values]

                def closure(values=values, optimizer=optimizer, params=params):
                    optimizer.zero_grad()
                    loss = sum(((p - x) ** 2).sum() for p, x in zip(params, values))
                    loss.backward()
                    return loss

                if info.step_requires_closure:
                    optimizer.step(closure)
                else:
                    for p, value in zip(params, values):
                        p.grad = value.clone()
                    optimizer.step()
                if step in RECORDED_STEPS:
                    for i, p in enumerate(params):
                        arrays[f"{key}/{step}/{i}"] = p.detach().numpy().copy()
            state = {
                str(k): {
                    a: list(b.shape) if isinstance(b, torch.Tensor) else "not a tensor"
                    for a, b in v.items()
                }
                for k, v in optimizer.state_dict()["state"].items()
            }
            index.append(
                {
                    "key": key,
                    "optimizer": name,
                    "kind": kind,
                    "what": config.desc,
                    "options": plain(options),
                    "closure": info.step_requires_closure,
                    "dtype": str(dtype).split(".")[1],
                    "state": state,
                }
            )
    np.savez_compressed(OUT / "trajectories.npz", index=json.dumps(index), **arrays)


def record_schedules():
    from tests.optim.schedules import CASES, run

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            f"{name}/{optimizer}": run(torch, name, optimizer)
            for name in CASES
            for optimizer in ("SGD", "Adam")
        }
    (OUT / "schedules.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    record_trajectories()
    record_schedules()
    for path in sorted(OUT.iterdir()):
        print(path.name, path.stat().st_size)
