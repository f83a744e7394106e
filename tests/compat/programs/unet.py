"""A U-Net: skip connections by concatenation, upsampling, Dice and BCE losses, IoU."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(31)


def double_conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, padding=1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.bottom = (
            double_conv(1, 6),
            double_conv(6, 12),
            double_conv(12, 24),
        )
        self.up2 = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.conv2 = double_conv(24, 12)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv1 = double_conv(18, 6)
        self.out = nn.Conv2d(6, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        x = self.conv2(torch.cat([self.up2(c), b], dim=1))
        x = self.conv1(torch.cat([self.up1(x), a], dim=1))
        return self.out(x)


def disks(count, size=16):
    centre = torch.randint(4, size - 4, (count, 2)).float()
    radius = 2 + 2 * torch.rand(count)
    axis = torch.arange(size).float()
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    distance = (rows - centre[:, 0, None, None]) ** 2 + (columns - centre[:, 1, None, None]) ** 2
    mask = (distance.sqrt() < radius[:, None, None]).float().unsqueeze(1)
    return mask + 0.3 * torch.randn(count, 1, size, size), mask


def dice_loss(logits, target, eps=1.0):
    p = logits.sigmoid()
    dims = (1, 2, 3)
    inter, total = (p * target).sum(dims), p.sum(dims) + target.sum(dims)
    return (1 - (2 * inter + eps) / (total + eps)).mean()


model = UNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
for step in range(8):
    images, masks = disks(8)
    logits = model(images)
    loss = F.binary_cross_entropy_with_logits(logits, masks) + dice_loss(logits, masks)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 2 == 0:
        print(f"step {step} loss {loss.item():.4f}")
print(len(model.state_dict()), tuple(model(images).shape))
