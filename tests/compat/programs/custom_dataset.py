"""A Dataset with workers, a sampler, a collate function, and random_split."""

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    WeightedRandomSampler,
    get_worker_info,
    random_split,
)


class Waves(Dataset):
    """Sequences of different lengths; each item depends on its index alone."""

    def __init__(self, count, transform=None):
        self.count, self.transform = count, transform

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        wave = torch.sin(torch.arange(3 + index % 5) * (1 + index) / 7)
        return (self.transform(wave) if self.transform else wave), index % 3


def collate(batch):
    waves, labels = zip(*batch)
    lengths = torch.tensor([len(w) for w in waves])
    return pad_sequence(waves, batch_first=True), lengths, torch.tensor(labels)


class WorkerIds(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        info = get_worker_info()
        return -1 if info is None else info.id


def main():
    torch.manual_seed(0)
    train, rest = random_split(Waves(50), [40, 10], generator=torch.Generator().manual_seed(42))
    print("split", train.indices[:8], len(rest))
    for workers in (0, 2):
        torch.manual_seed(4)
        loader = DataLoader(
            train,
            batch_size=8,
            shuffle=True,
            num_workers=workers,
            collate_fn=collate,
            drop_last=True,
        )
        for epoch in range(2):
            total, order = 0.0, []
            for waves, lengths, labels in loader:
                order += labels[:2].tolist()
                total += (waves.sum(1) / lengths).mean().item() + labels.float().mean().item()
            print(
                f"workers {workers} epoch {epoch} batches {len(loader)} total {total:.5f} {order}"
            )
    weights = [1.0 if i % 2 else 0.0 for i in range(20)]
    sampler = WeightedRandomSampler(weights, 12, generator=torch.Generator().manual_seed(1))
    print("odd only", all(i % 2 for i in sampler))
    both = ConcatDataset([Waves(3, transform=lambda w: w * 2), Subset(Waves(9), [8, 7])])
    print("concatenated", len(both), [round(both[i][0].sum().item(), 4) for i in range(len(both))])
    print("ids", sorted(set(torch.cat(list(DataLoader(WorkerIds(), 2, num_workers=2))).tolist())))
    nested = next(iter(DataLoader([{"a": i, "b": (i, [i])} for i in range(3)], batch_size=3)))
    print("nested", nested)


if __name__ == "__main__":
    main()
