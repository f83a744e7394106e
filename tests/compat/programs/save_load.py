"""Checkpoints: state dicts, optimizer state, continuing, partial loading, pickled tensors."""

import io
import os
import tempfile

import torch
from torch import nn

torch.manual_seed(8)


def build():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def steps(model, optimizer, count, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        x = torch.randn(16, 4, generator=generator)
        loss = nn.functional.mse_loss(model(x), x[:, :2].abs())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


model = build()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.5)
print(f"first {steps(model, optimizer, 5, 1):.6f}")
scheduler.step()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "checkpoint.pt")
    torch.save(
        {
            "epoch": 3,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "rng": torch.get_rng_state(),
        },
        path,
    )
    expected = steps(model, optimizer, 5, 2)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
other = build()
optimizer2 = torch.optim.Adam(other.parameters(), lr=0.01, amsgrad=True)
print(other.load_state_dict(checkpoint["model"]))
optimizer2.load_state_dict(checkpoint["optimizer"])
print("continues alike", steps(other, optimizer2, 5, 2) == expected, checkpoint["epoch"])
print(f"expected {expected:.6f}")
print(list(checkpoint["model"]))
partial = {k: v for k, v in checkpoint["model"].items() if not k.startswith("3.")}
print(build().load_state_dict(partial, strict=False))
try:
    build().load_state_dict(partial)
except RuntimeError as error:
    print(str(error).splitlines()[0])
buffer = io.BytesIO()
base = torch.arange(6)
torch.save([base[:3], base[3:]], buffer)
buffer.seek(0)
first, second = torch.load(buffer)
print(first, second, first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr())
