"""Bayes by backprop with torch.distributions: rsample, log_prob, kl_divergence."""

import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

torch.manual_seed(70)
x = torch.linspace(-2, 2, 40).unsqueeze(1)
y = 1.5 * x + 0.3 + 0.2 * torch.randn(40, 1)


class BayesianLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.mu = nn.Parameter(torch.zeros(outputs, inputs + 1))
        self.rho = nn.Parameter(torch.full((outputs, inputs + 1), -2.0))
        self.register_buffer("prior_scale", torch.ones(outputs, inputs + 1))

    @property
    def posterior(self):
        return Normal(self.mu, nn.functional.softplus(self.rho))

    def forward(self, x):
        w = self.posterior.rsample()
        return nn.functional.linear(x, w[:, :-1], w[:, -1])

    def kl(self):
        return kl_divergence(self.posterior, Normal(0.0, self.prior_scale)).sum()


layer = BayesianLinear(1, 1)
optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
for step in range(60):
    optimizer.zero_grad()
    likelihood = Normal(layer(x), 0.2).log_prob(y).sum()
    loss = layer.kl() - likelihood
    loss.backward()
    optimizer.step()
    if step % 15 == 0:
        print(f"step {step} elbo {-loss.item():.3f}")
print("weights", [round(v, 3) for v in layer.mu.detach().flatten().tolist()])
joint = Independent(Normal(torch.zeros(3), torch.ones(3)), 1)
full = MultivariateNormal(torch.zeros(3), torch.eye(3))
value = torch.tensor([0.1, -0.4, 2.0])
print(f"{joint.log_prob(value).item():.5f} {full.log_prob(value).item():.5f}", joint)
