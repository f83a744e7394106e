"""Batches of sequences of different lengths: padded, and packed without the padding.

A `PackedSequence` holds, step after step, the entries of all sequences that are still running;
`batch_sizes` counts them. Sequences are sorted by length, longest first.
"""

from collections import namedtuple

import rushlight

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_Fields = namedtuple(
    "PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"]
)


def invert_permutation(permutation):
    """Return the permutation that undoes the given one."""
    if permutation is None:
        return None
    inverse = rushlight.empty_like(permutation)
    inverse.scatter_(0, permutation, rushlight.arange(0, permutation.numel()))
    return inverse


class PackedSequence(_Fields):
    """Sequences without their padding: (data, batch_sizes, sorted_indices, unsorted_indices).

    Made by `pack_padded_sequence` and `pack_sequence`; the recurrent layers take and return it.
    `sorted_indices` says which sequence each row of the batch is, None if they came sorted.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("data must be a (data, batch_sizes) pair without batch_sizes")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence "
                "and pack_padded_sequences in nn.utils.rnn. https://pytorch.org/docs/stable/nn."
                "html#torch.nn.utils.rnn.pack_sequence"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _with_data(self, data):
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args, **kwargs):
        """Cast or move the data, as `Tensor.to`."""
        return self._with_data(self.data.to(*args, **kwargs))

    def pin_memory(self):
        """Pin the data's memory."""
        return self._with_data(self.data.pin_memory())

    def cuda(self, *args, **kwargs):
        """Move the data to the GPU."""
        return self._with_data(self.data.cuda(*args, **kwargs))

    def cpu(self, *args, **kwargs):
        """Move the data to the CPU."""
        return self._with_data(self.data.cpu())

    def double(self):
        """Cast the data to float64."""
        return self.to(rushlight.float64)

    def float(self):
        """Cast the data to float32."""
        return self.to(rushlight.float32)

    def half(self):
        """Cast the data to float16."""
        return self.to(rushlight.float16)

    def long(self):
        """Cast the data to int64."""
        return self.to(rushlight.int64)

    def int(self):
        """Cast the data to int32."""
        return self.to(rushlight.int32)

    def short(self):
        """Cast the data to int16."""
        return self.to(rushlight.int16)

    def char(self):
        """Cast the data to int8."""
        return self.to(rushlight.int8)

    def byte(self):
        """Cast the data to uint8."""
        return self.to(rushlight.uint8)

    @property
    def is_cuda(self):
        """Whether the data is on the GPU."""
        return self.data.is_cuda

    def is_pinned(self):
        """Whether the data's memory is pinned."""
        return self.data.is_pinned()


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Pack padded sequences (T, B, *), or (B, T, *) with `batch_first`, of the given lengths.

    With `enforce_sorted` the lengths must be decreasing; without, they are sorted here.
    """
    if not isinstance(lengths, rushlight.Tensor):
        lengths = rushlight.as_tensor(lengths, dtype=rushlight.int64)
    if lengths.dim() != 1:
        kind = lengths.type().split(".")[-1].replace("Tensor", "")
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.dim()}D {lengths.device.type} {kind} tensor"
        )
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = rushlight.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    sizes = [int(n) for n in lengths.tolist()]
    if len(sizes) != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} "
            f"(batch_size={input.size(1)})"
        )
    if any(n <= 0 for n in sizes):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if any(a < b for a, b in zip(sizes, sizes[1:])):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if not sizes:
        raise RuntimeError("Cannot pack empty tensors.")
    counts = [sum(n > step for n in sizes) for step in range(sizes[0])]
    data = rushlight.cat([input[step, :count] for step, count in enumerate(counts)])
    batch_sizes = rushlight.tensor(counts, dtype=rushlight.int64)
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """Undo `pack_padded_sequence`: return (padded, lengths), in the original order.

    `total_length` pads further than the longest sequence.
    """
    counts = sequence.batch_sizes.tolist()
    longest, batch = len(counts), counts[0]
    length = longest if total_length is None else total_length
    if length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    data = sequence.data
    steps = []
    for rows in data.split(counts):
        missing = batch - rows.size(0)
        if missing:
            fill = data.new_full((missing, *data.shape[1:]), padding_value)
            rows = rushlight.cat([rows, fill])
        steps.append(rows)
    if length > longest:
        blank = data.new_full((batch, *data.shape[1:]), padding_value)
        steps.extend([blank] * (length - longest))
    padded = rushlight.stack(steps)
    lengths = rushlight.tensor(
        [sum(count > row for count in counts) for row in range(batch)], dtype=rushlight.int64
    )
    order = sequence.unsorted_indices
    if order is not None:
        padded = padded.index_select(1, order)
        lengths = lengths[order]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Stack tensors (L, *) of different lengths to (T, B, *), or (B, T, *) with `batch_first`.

    >>> pad_sequence([torch.ones(2), torch.ones(3)], batch_first=True)
    tensor([[1., 1., 0.],
            [1., 1., 1.]])
    """
    if not hasattr(sequences, "__iter__"):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    if isinstance(sequences, rushlight.Tensor):
        sequences = sequences.unbind(0)
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(sequence.size(0) for sequence in sequences)
    padded = []
    for sequence in sequences:
        missing = longest - sequence.size(0)
        if missing:
            fill = sequence.new_full((missing, *sequence.shape[1:]), padding_value)
            parts = [sequence, fill] if padding_side == "right" else [fill, sequence]
            sequence = rushlight.cat(parts)
        padded.append(sequence)
    return rushlight.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """Return the list of tensors (L, *) that `pad_sequence` stacked."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(padded_sequences, lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    """Pack a list of tensors (L, *)."""
    lengths = rushlight.as_tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """Return the list of tensors (L, *) that `pack_sequence` packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
