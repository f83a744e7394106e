"""Sub-pixel super resolution: PixelShuffle, orthogonal initialisation, PSNR."""

from math import log10

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 16, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(16, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        for conv in (self.conv1, self.conv2, self.conv3):
            init.xavier_normal_(conv.weight, init.calculate_gain("relu"))

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.pixel_shuffle(self.conv3(x))


torch.manual_seed(123)
rows = torch.arange(16.0)
phase = torch.rand(12, 1, 1, 1) * 6
high = torch.sin(rows[:, None] / 3 + phase) * torch.cos(rows[None, :] / 2 - phase)
low = F.interpolate(high, scale_factor=0.5, mode="bilinear", align_corners=False)
model = Net(2)
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
criterion = nn.MSELoss()
for epoch in range(1, 16):
    optimizer.zero_grad()
    loss = criterion(model(low), high)
    loss.backward()
    optimizer.step()
    if epoch % 5 == 0:
        print(f"Epoch {epoch}: Loss {loss.item():.5f} PSNR {10 * log10(4 / loss.item()):.3f} dB")
bicubic = F.interpolate(low, size=(16, 16), mode="bicubic", align_corners=False)
print(f"bicubic {criterion(bicubic, high).item():.5f}")
