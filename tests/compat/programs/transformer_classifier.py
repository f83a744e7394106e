"""nn.TransformerEncoder with a padding mask and sinusoidal positions: which token repeats?"""

import math

import torch
from torch import nn

torch.manual_seed(50)
VOCAB, LENGTH = 8, 10


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=32):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe, persistent=False)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, d_model=16):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB + 1, d_model, padding_idx=VOCAB)
        self.position = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, 4, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(d_model, VOCAB)

    def forward(self, tokens):
        padding = tokens == VOCAB
        h = self.encoder(self.position(self.embedding(tokens)), src_key_padding_mask=padding)
        keep = (~padding).unsqueeze(-1)
        return self.head((h * keep).sum(1) / keep.sum(1))


model = Classifier()
optimizer = torch.optim.RAdam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for step in range(16):
    label = torch.randint(0, VOCAB, (16,))
    tokens = torch.randint(0, VOCAB, (16, LENGTH))
    tokens[:, 0:8:2] = label[:, None]
    cut = torch.randint(7, LENGTH + 1, (16,))
    tokens = torch.where(torch.arange(LENGTH) < cut[:, None], tokens, torch.tensor(VOCAB))
    loss = criterion(model(tokens), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        print(f"step {step} loss {loss.item():.4f}")
attention = nn.MultiheadAttention(16, 4, batch_first=True)
q = torch.randn(2, 5, 16)
causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
out, weights = attention(q, q, q, attn_mask=causal)
print("causal", tuple(out.shape), weights[0].triu(1).abs().sum().item())
