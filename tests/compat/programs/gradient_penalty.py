"""WGAN-GP in two dimensions: gradients of gradients, several critic steps per generator step."""

import torch
from torch import autograd, nn

torch.manual_seed(9)
critic = nn.Sequential(
    nn.Linear(2, 32), nn.Softplus(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
)
generator = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.1), nn.Linear(32, 2))
opt_c = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.0, 0.9))
opt_g = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.0, 0.9))


def real_batch(n):
    angle = torch.rand(n) * 2 * torch.pi
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


def penalty(real, fake):
    mix = torch.rand(real.size(0), 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_(True)
    score = critic(between)
    (grad,) = autograd.grad(
        score, between, grad_outputs=torch.ones_like(score), create_graph=True, retain_graph=True
    )
    return 10 * ((grad.norm(2, dim=1) - 1) ** 2).mean()


for iteration in range(6):
    for p in critic.parameters():
        p.requires_grad_(True)
    for _ in range(3):
        opt_c.zero_grad()
        real = real_batch(32)
        fake = generator(torch.randn(32, 4)).detach()
        gp = penalty(real, fake)
        loss_c = critic(fake).mean() - critic(real).mean() + gp
        loss_c.backward()
        opt_c.step()
    for p in critic.parameters():
        p.requires_grad_(False)
    opt_g.zero_grad()
    loss_g = -critic(generator(torch.randn(32, 4))).mean()
    loss_g.backward()
    opt_g.step()
    print(f"{iteration} critic {loss_c.item():.5f} penalty {gp.item():.5f} gen {loss_g.item():.5f}")
