"""A learning-rate range test, then training with OneCycleLR, CosineAnnealing and LambdaLR."""

import copy
import math

import torch
import torch.nn as nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR, OneCycleLR

torch.manual_seed(2)
x = torch.randn(256, 10)
y = (x @ torch.randn(10, 3)).argmax(1)
model = nn.Sequential(nn.Linear(10, 32), nn.SiLU(), nn.Linear(32, 3))
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
initial = copy.deepcopy(model.state_dict())

optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
finder = LambdaLR(optimizer, lr_lambda=lambda step: (10 / 1e-4) ** (step / 30))
rates, losses = [], []
for _ in range(30):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    rates.append(optimizer.param_groups[0]["lr"])
    losses.append(loss.item())
    finder.step()
    if not math.isfinite(losses[-1]) or losses[-1] > 4 * losses[0]:
        break
smooth = torch.tensor(losses).unfold(0, 3, 1).mean(1)
steepest = int(torch.diff(smooth).argmin())
print("steepest at", steepest, f"{rates[steepest]:.5f}", "steps", len(losses))

model.load_state_dict(initial)
for name, make in (
    ("onecycle", lambda o: OneCycleLR(o, max_lr=0.5, total_steps=40, pct_start=0.25)),
    ("restarts", lambda o: CosineAnnealingWarmRestarts(o, T_0=10, T_mult=2)),
):
    model.load_state_dict(initial)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    scheduler = make(optimizer)
    for step in range(40):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step() if step < 39 else None
        if step % 10 == 0:
            print(name, step, f"{loss.item():.5f}", f"{scheduler.get_last_lr()[0]:.6f}")
print("accuracy", (model(x).argmax(1) == y).float().mean().item() > 0.8)
