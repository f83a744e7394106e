"""Solve u'' = -pi^2 sin(pi x) with a network: second derivatives in the loss."""

import torch
from torch import nn

torch.manual_seed(13)


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


net = nn.Sequential(nn.Linear(1, 24), Sine(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.995)
boundary = torch.tensor([[0.0], [1.0]])
for step in range(40):
    x = torch.rand(64, 1, requires_grad=True)
    u = net(x)
    (du,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (ddu,) = torch.autograd.grad(du.sum(), x, create_graph=True)
    residual = ddu + torch.pi**2 * torch.sin(torch.pi * x)
    loss = residual.pow(2).mean() + 10 * net(boundary).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 10 == 0:
        print(f"{step} {loss.item():.4f} {scheduler.get_last_lr()[0]:.6f}")
hessian = torch.autograd.functional.hessian(lambda v: net(v.view(1, 1)).sum(), torch.tensor([0.3]))
jacobian = torch.autograd.functional.jacobian(lambda v: net(v[:, None])[:, 0], torch.rand(3))
print(
    "hessian",
    tuple(hessian.shape),
    "jacobian is diagonal",
    bool((jacobian - torch.diag(jacobian.diag())).abs().max() < 1e-6),
)
