"""Reverse a sequence: GRU encoder, attention decoder with teacher forcing, masked loss."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.manual_seed(17)
VOCAB, PAD, START = 12, 0, 1


class Encoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, hidden, padding_idx=PAD)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * hidden, hidden)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(
            self.embedding(x), lengths, batch_first=True, enforce_sorted=False
        )
        output, hidden = self.gru(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)
        return self.join(output), torch.tanh(self.join(torch.cat((hidden[0], hidden[1]), 1)))


class Decoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, hidden)
        self.cell = nn.GRUCell(2 * hidden, hidden)
        self.attention = nn.Bilinear(hidden, hidden, 1, bias=False)
        self.out = nn.Linear(2 * hidden, VOCAB)

    def forward(self, token, hidden, memory, mask):
        query = hidden.unsqueeze(1).expand_as(memory).contiguous()
        scores = self.attention(query, memory).squeeze(-1)
        weights = F.softmax(scores.masked_fill(~mask, -1e9), dim=1)
        context = torch.bmm(weights.unsqueeze(1), memory).squeeze(1)
        hidden = self.cell(torch.cat([self.embedding(token), context], 1), hidden)
        return self.out(torch.cat([hidden, context], 1)), hidden


encoder, decoder = Encoder(16), Decoder(16)
parameters = list(encoder.parameters()) + list(decoder.parameters())
optimizer = torch.optim.Adam(parameters, lr=0.01)
for step in range(15):
    lengths = torch.randint(3, 7, (8,))
    x = torch.randint(2, VOCAB, (8, 6))
    mask = torch.arange(6)[None, :] < lengths[:, None]
    x = x * mask
    target = torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths)])
    width = int(lengths.max())
    memory, hidden = encoder(x, lengths)
    token, loss = torch.full((8,), START), 0
    for t in range(width):
        logits, hidden = decoder(token, hidden, memory, mask[:, :width])
        loss = loss + F.cross_entropy(logits, target[:, t], ignore_index=PAD, reduction="sum")
        token = target[:, t]
    loss = loss / lengths.sum()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(parameters, 0.5)
    optimizer.step()
    if step % 5 == 0:
        print(f"step {step} loss {loss.item():.4f}")
print(
    "padding row",
    encoder.embedding.weight[PAD].abs().sum().item(),
    encoder.embedding.weight.grad[PAD].abs().sum().item(),
)
