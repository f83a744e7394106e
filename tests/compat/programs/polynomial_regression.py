"""Fit a polynomial by hand-written gradient descent, then by nn.Linear and SGD."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.linspace(-1, 1, 200).unsqueeze(1)
y = 0.5 - 1.5 * x + 2 * x**3 + 0.05 * torch.randn(200, 1)
features = torch.cat([x**p for p in range(4)], dim=1)

weight = torch.zeros(4, 1, requires_grad=True)
for step in range(200):
    loss = (features @ weight - y).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        weight -= 0.3 * weight.grad
        weight.grad.zero_()
    if step % 50 == 0:
        print(f"manual {step} {loss.item():.6f}")
print("weights", [round(v, 4) for v in weight.flatten().tolist()])

model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
criterion = nn.MSELoss()
for epoch in range(100):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    if epoch % 25 == 0:
        print(f"network {epoch} {loss.item():.6f}")
print(f"final {loss:.6f}")
