"""A graph convolution with index_add, and attention with scatter: node classification."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(40)
NODES = 40
labels = torch.arange(NODES) % 4
same = labels[:, None] == labels[None, :]
chance = torch.where(same, torch.tensor(0.4), torch.tensor(0.03))
adjacency = (torch.rand(NODES, NODES) < chance).triu(1)
edges = adjacency.nonzero().t()
edges = torch.cat([edges, edges.flip(0), torch.arange(NODES).expand(2, NODES)], dim=1)
source, target = edges
features = F.one_hot(labels, 4).float() + 0.8 * torch.randn(NODES, 4)
train_mask = torch.zeros(NODES, dtype=torch.bool)
train_mask[:20] = True


class GraphConvolution(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x):
        degree = torch.zeros(NODES).scatter_add_(0, target, torch.ones(len(target)))
        norm = (degree[source] * degree[target]).rsqrt()
        h = x @ self.weight
        out = torch.zeros(NODES, h.size(1)).index_add(0, target, h[source] * norm[:, None])
        return out + self.bias


class GraphAttention(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.lin = nn.Linear(inputs, outputs, bias=False)
        self.att = nn.Parameter(torch.randn(2 * outputs) * 0.1)

    def forward(self, x):
        h = self.lin(x)
        score = F.leaky_relu(torch.cat([h[source], h[target]], 1) @ self.att, 0.2)
        score = (score - score.max()).exp()
        total = torch.zeros(NODES).scatter_add(0, target, score)
        return torch.zeros_like(h).index_add_(
            0, target, h[source] * (score / total[target])[:, None]
        )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = GraphConvolution(4, 16), GraphAttention(16, 4)

    def forward(self, x):
        return F.log_softmax(self.two(F.elu(self.one(x))), dim=-1)


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
for epoch in range(30):
    optimizer.zero_grad()
    out = model(features)
    loss = F.nll_loss(out[train_mask], labels[train_mask])
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch} loss {loss.item():.5f}")
print(
    "edges",
    edges.shape[1],
    "test correct",
    int((model(features).argmax(1)[~train_mask] == labels[~train_mask]).sum()),
)
