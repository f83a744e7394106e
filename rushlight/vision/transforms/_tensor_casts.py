"""Operators such as interpolation want float batches; pictures are often single and of bytes."""

import rushlight


def as_float_batch(img, supported):
    """`img` as (N, C, H, W) of one of the `supported` dtypes (the first, where its own is not).

    Returns the batch and what `from_float_batch` needs to restore rank and dtype.
    """
    was_single = img.ndim < 4
    batch = img.unsqueeze(0) if was_single else img
    dtype = img.dtype
    if dtype not in supported:
        batch = batch.to(supported[0])
    return batch, (was_single, dtype)


def from_float_batch(batch, restore):
    """The inverse of `as_float_batch`; integer pixels are rounded to the nearest."""
    was_single, dtype = restore
    img = batch.squeeze(0) if was_single else batch
    if img.dtype == dtype:
        return img
    return (img if dtype.is_floating_point or dtype == rushlight.bool else img.round()).to(dtype)
