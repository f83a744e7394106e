"""A word-level LSTM language model: truncated back-propagation, clipping, perplexity."""

import math

import torch
import torch.nn as nn

torch.manual_seed(1111)
TEXT = (
    "the lamp on the shore turns and the ship sees the lamp . the ship turns to the shore and "
    "the keeper of the lamp sees the ship . the keeper turns the lamp . "
) * 6


class Dictionary:
    def __init__(self):
        self.word2idx, self.idx2word = {}, []

    def add_word(self, word):
        if word not in self.word2idx:
            self.idx2word.append(word)
            self.word2idx[word] = len(self.idx2word) - 1
        return self.word2idx[word]


dictionary = Dictionary()
ids = torch.tensor([dictionary.add_word(w) for w in TEXT.split()]).type(torch.int64)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    return data.view(bsz, -1).t().contiguous()


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers):
        super().__init__()
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers)
        self.decoder = nn.Linear(nhid, ntoken)
        self.decoder.weight = self.encoder.weight if nhid == ninp else self.decoder.weight
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)
        self.nhid, self.nlayers = nhid, nlayers

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.encoder(input), hidden)
        return self.decoder(output).view(-1, self.decoder.out_features), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        shape = (self.nlayers, bsz, self.nhid)
        return weight.new_zeros(shape), weight.new_zeros(shape)


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


bptt, batch = 6, 4
train_data = batchify(ids, batch)
model = RNNModel(len(dictionary.idx2word), 16, 16, 2)
criterion = nn.CrossEntropyLoss()
lr = 5.0
for epoch in range(1, 5):
    hidden, total = model.init_hidden(batch), 0.0
    steps = 0
    for i in range(0, train_data.size(0) - 1, bptt):
        seq_len = min(bptt, len(train_data) - 1 - i)
        data = train_data[i : i + seq_len]
        targets = train_data[i + 1 : i + 1 + seq_len].view(-1)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        total += loss.item()
        steps += 1
    print(f"| epoch {epoch} | loss {total / steps:5.3f} | ppl {math.exp(total / steps):8.3f}")
    lr /= 1.5
with torch.no_grad():
    output, _ = model(train_data[:3], model.init_hidden(batch))
print([dictionary.idx2word[i] for i in output.view(3, batch, -1)[-1].argmax(-1).tolist()])
print("parameters", sum(p.numel() for p in model.parameters()))
