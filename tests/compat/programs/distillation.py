"""Knowledge distillation with temperature, KLDivLoss, a residual student, ReduceLROnPlateau."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

torch.manual_seed(80)


class Residual(nn.Module):
    expansion = 1

    def __init__(self, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, momentum=0.3)
        self.shortcut = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        out = F.hardswish(self.bn1(self.conv1(x)))
        return F.relu6(self.bn2(self.conv2(out)) + self.shortcut(x))


def network(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        Residual(width),
        Residual(width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(1),
        nn.Linear(width, 5),
    )


teacher, student = network(12).eval(), network(6)
for p in teacher.parameters():
    p.requires_grad_(False)
optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
kl, T = nn.KLDivLoss(reduction="batchmean"), 3.0
for epoch in range(6):
    student.train()
    x = torch.randn(24, 3, 8, 8)
    with torch.no_grad():
        soft = F.softmax(teacher(x) / T, dim=1)
    logits = student(x)
    loss = kl(F.log_softmax(logits / T, dim=1), soft) * T * T
    loss = loss + 0.5 * F.cross_entropy(logits, soft.argmax(1))
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    scheduler.step(1.0 if epoch > 1 else 2.0 - epoch)
    print(f"epoch {epoch} loss {loss.item():.5f} lr {optimizer.param_groups[0]['lr']:.4f}")
student.eval()
stats = student[1].bn1
print("batches", stats.num_batches_tracked.item(), f"{stats.running_var.mean().item():.5f}")
