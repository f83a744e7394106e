"""Mixup and CutMix with soft labels, gradient accumulation, and an exponential average."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel

torch.manual_seed(21)
templates = torch.randn(4, 3, 8, 8)


def batch(size):
    labels = torch.randint(0, 4, (size,))
    return templates[labels] + 0.5 * torch.randn(size, 3, 8, 8), labels


def mixup(x, y, alpha):
    lam = 0.5 + 0.5 * alpha
    index = torch.randperm(x.size(0))
    y = F.one_hot(y, 4).float()
    return lam * x + (1 - lam) * x[index], lam * y + (1 - lam) * y[index]


def cutmix(x, y):
    index = torch.randperm(x.size(0))
    x = x.clone()
    x[:, :, 2:6, 2:6] = x[index, :, 2:6, 2:6]
    y = F.one_hot(y, 4).float()
    return x, 0.75 * y + 0.25 * y[index]


model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.GroupNorm(2, 8),
    nn.ELU(),
    nn.AvgPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 4),
)
ema = AveragedModel(model, avg_fn=lambda a, p, n: 0.9 * a + 0.1 * p)
optimizer = torch.optim.NAdam(model.parameters(), lr=5e-3)
for step in range(12):
    optimizer.zero_grad()
    for part in range(2):
        x, y = batch(16)
        x, y = mixup(x, y, 0.4) if part == 0 else cutmix(x, y)
        loss = torch.sum(-y * F.log_softmax(model(x), dim=1), dim=1).mean() / 2
        loss.backward()
    optimizer.step()
    ema.update_parameters(model)
    if step % 3 == 0:
        print(f"step {step} loss {loss.item():.5f}")
x, y = batch(64)
with torch.inference_mode():
    print("ema loss", round(F.cross_entropy(ema(x), y).item(), 4), int(ema.n_averaged))
