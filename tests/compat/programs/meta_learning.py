"""Reptile and second-order MAML on sine tasks, with functional parameters."""

import torch
import torch.nn.functional as F
from torch.func import functional_call

torch.manual_seed(110)
net = torch.nn.Sequential(torch.nn.Linear(1, 20), torch.nn.Tanh(), torch.nn.Linear(20, 1))
meta = torch.optim.Adam(net.parameters(), lr=1e-2)


def task():
    amplitude, phase = 0.5 + torch.rand(1), 3 * torch.rand(1)
    x = torch.rand(20, 1) * 6 - 3
    return x, amplitude * torch.sin(x + phase)


for iteration in range(10):
    meta.zero_grad()
    total = 0.0
    for _ in range(3):
        x, y = task()
        weights = dict(net.named_parameters())
        for _ in range(2):
            loss = F.mse_loss(functional_call(net, weights, (x[:10],)), y[:10])
            grads = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {k: w - 0.05 * g for (k, w), g in zip(weights.items(), grads)}
        outer = F.mse_loss(functional_call(net, weights, (x[10:],)), y[10:]) / 3
        outer.backward()
        total += outer.item()
    meta.step()
    if iteration % 3 == 0:
        print(f"iteration {iteration} outer loss {total:.5f}")
