"""Optimise a picture: Gram matrices of fixed features, total variation, clamping in no_grad."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(100)
features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2))
features.requires_grad_(False).eval()


def gram_matrix(input):
    a, b, c, d = input.size()
    flat = input.reshape(a * b, c * d)
    return torch.mm(flat, flat.t()).div(a * b * c * d)


rows = torch.linspace(0, 1, 16)
content = torch.stack([rows.expand(16, 16), rows.expand(16, 16).t(), torch.full((16, 16), 0.5)])[
    None
]
style = torch.rand(1, 3, 16, 16)
target_gram, target_content = gram_matrix(features(style)), features(content)
picture = nn.Parameter(content.clone())
optimizer = torch.optim.LBFGS([picture], max_iter=4, history_size=5)
run = [0]
while run[0] < 12:

    def closure():
        with torch.no_grad():
            picture.clamp_(0, 1)
        optimizer.zero_grad()
        f = features(picture)
        variation = (picture[..., 1:] - picture[..., :-1]).abs().mean()
        loss = 1e4 * F.mse_loss(gram_matrix(f), target_gram) + F.mse_loss(f, target_content)
        loss = loss + 0.01 * variation
        loss.backward()
        run[0] += 1
        if run[0] % 4 == 0:
            print(f"run {run[0]}: {loss.item():.4f}")
        return loss

    optimizer.step(closure)
print(f"mean {picture.mean().item():.4f}")
