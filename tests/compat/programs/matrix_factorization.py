"""Recommendation: two embeddings, biases, Adagrad; EmbeddingBag on the side."""

import torch
from torch import nn

torch.manual_seed(6)
users, items, rank = 30, 20, 3
truth = torch.randn(users, rank) @ torch.randn(rank, items)
index = torch.randperm(users * items)[:400]
u, i = torch.div(index, items, rounding_mode="floor"), index % items
ratings = truth[u, i]


class Factors(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(users, rank), nn.Embedding(items, rank)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        for table in (self.user_bias, self.item_bias):
            nn.init.zeros_(table.weight)

    def forward(self, u, i):
        dot = torch.einsum("bk,bk->b", self.user(u), self.item(i))
        return dot + (self.user_bias(u) + self.item_bias(i)).squeeze(1)


model = Factors()
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.2)
criterion = nn.SmoothL1Loss(beta=0.5)
for epoch in range(6):
    total = 0.0
    for chunk in torch.randperm(len(index)).split(50):
        optimizer.zero_grad()
        loss = criterion(model(u[chunk], i[chunk]), ratings[chunk])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chunk)
    print(f"epoch {epoch} loss {total / len(index):.5f}")
bag = nn.EmbeddingBag(10, 4, mode="mean")
text, offsets = torch.tensor([1, 2, 4, 5, 4, 3, 2, 9]), torch.tensor([0, 4, 5])
bag(text, offsets).pow(2).sum().backward()
print("bag", round(bag.weight.grad.abs().sum().item(), 5))
