"""Predict sine waves in double precision: LSTMCell in a loop, L-BFGS with a closure."""

import math

import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(0)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 12)
        self.lstm2 = nn.LSTMCell(12, 12)
        self.linear = nn.Linear(12, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 12, dtype=torch.double)
        c_t = torch.zeros(input.size(0), 12, dtype=torch.double)
        h_t2, c_t2 = torch.zeros_like(h_t), torch.zeros_like(c_t)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


shift = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0], dtype=torch.double)[:, None]
data = torch.sin((torch.arange(20, dtype=torch.double)[None, :] + shift) * 2 * math.pi / 10)
input, target = data[1:, :-1], data[1:, 1:]
seq = Sequence()
seq.double()
criterion = nn.MSELoss()
optimizer = optim.LBFGS(seq.parameters(), lr=0.2, max_iter=4)
for i in range(3):
    print("STEP:", i)

    def closure():
        optimizer.zero_grad()
        loss = criterion(seq(input), target)
        print(f"loss: {loss.item():.6f}")
        loss.backward()
        return loss

    optimizer.step(closure)
with torch.no_grad():
    pred = seq(data[:1, :-1], future=5)
    print(f"test loss: {criterion(pred[:, :-5], data[:1, 1:]).item():.6f}", tuple(pred.shape))
