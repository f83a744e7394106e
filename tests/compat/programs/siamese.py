"""A siamese network with contrastive and triplet losses, weights shared between branches."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)
centres = torch.randn(5, 1, 12, 12)


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.PReLU(),
            nn.MaxPool2d(2, 2),
            nn.Conv2d(6, 12, 3),
            nn.PReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(48, 8),
        )

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


def draw(labels):
    return centres[labels] + 0.3 * torch.randn(len(labels), 1, 12, 12)


model = Embedder()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
triplet = nn.TripletMarginLoss(margin=0.5)
for step in range(15):
    anchor = torch.randint(0, 5, (16,))
    other = (anchor + torch.randint(1, 5, (16,))) % 5
    a, p, n = model(draw(anchor)), model(draw(anchor)), model(draw(other))
    same = torch.randint(0, 2, (16,)).float()
    distance = F.pairwise_distance(a, torch.where(same.bool().unsqueeze(1), p, n))
    contrastive = (same * distance**2 + (1 - same) * torch.clamp(1 - distance, min=0) ** 2).mean()
    loss = triplet(a, p, n) + contrastive
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        print(f"step {step} loss {loss.item():.5f} contrastive {contrastive.item():.5f}")
with torch.no_grad():
    embedded = model(centres)
    print("similarity", [round(v, 3) for v in F.cosine_similarity(embedded[:1], embedded).tolist()])
    print("distances", tuple(torch.cdist(embedded, embedded).shape))
