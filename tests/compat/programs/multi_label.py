"""Multi-task, multi-label training on 1-d signals: Conv1d, pos_weight, parameter groups."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Signals(Dataset):
    def __init__(self, n):
        g = torch.Generator().manual_seed(3)
        t = torch.linspace(0, 6.28, 64)
        self.y = (torch.rand(n, 3, generator=g) > 0.6).float()
        waves = torch.stack([torch.sin(2 * t), torch.sin(5 * t + 1), torch.sign(torch.cos(3 * t))])
        self.x = (self.y @ waves + 0.3 * torch.randn(n, 64, generator=g)).unsqueeze(1)

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, i):
        return {"signal": self.x[i], "labels": self.y[i], "count": self.y[i].sum()}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv1d(1, 8, 7, stride=2, padding=3, padding_mode="circular"),
            nn.InstanceNorm1d(8),
            nn.Mish(),
            nn.MaxPool1d(2),
            nn.Conv1d(8, 16, 3, dilation=2),
            nn.CELU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
        )
        self.heads = nn.ModuleDict({"labels": nn.Linear(16, 3), "count": nn.Linear(16, 1)})

    def forward(self, x):
        h = self.trunk(x)
        return {name: head(h) for name, head in self.heads.items()}


torch.manual_seed(90)
loader = DataLoader(Signals(192), batch_size=32, shuffle=True)
model = Net()
bce = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.5, 1.5, 1.5]))
huber = nn.HuberLoss(delta=0.7)
optimizer = torch.optim.Adam(
    [{"params": model.trunk.parameters()}, {"params": model.heads.parameters(), "lr": 1e-2}],
    lr=3e-3,
)
warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.2, total_iters=6)
decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, decay], milestones=[6])
for epoch in range(3):
    running = 0.0
    for batch in loader:
        out = model(batch["signal"])
        loss = bce(out["labels"], batch["labels"]) + 0.3 * huber(out["count"][:, 0], batch["count"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        running += loss.item()
    rates = [round(g["lr"], 6) for g in optimizer.param_groups]
    print(f"epoch {epoch} loss {running / len(loader):.5f} lr {rates}")
