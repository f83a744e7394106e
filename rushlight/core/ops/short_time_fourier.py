"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

from .record import export


def _window(window, length, n_fft, dtype):
    import rushlight
    if window is None:
        window = rushlight.ones(length, dtype=dtype)
    if length < n_fft:
        left = (n_fft - length) // 2
        window = rushlight.nn.functional.pad(window, (left, n_fft - length - left))
    return window


def _checked(name, shown, n_fft, hop, length, window, limit):
    if n_fft <= 0 or (limit is not None and n_fft > limit):
        raise RuntimeError(f"{name}({shown}): expected 0 < n_fft < {limit}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{name}({shown}): expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{name}({shown}): expected 0 < win_length <= n_fft, but got "
                           f"win_length={length}")
    if window is not None and (window.ndim != 1 or window.shape[0] != length):
        raise RuntimeError(f"{name}({shown}): expected a 1D window tensor of size equal to "
                           f"win_length={length}, but got window with size {list(window.shape)}")


@export("torch", "Tensor")
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,  # noqa: A002
         pad_mode="reflect", normalized=False, onesided=None, return_complex=None,
         align_to_window=None):
    """Transforms of windows of `n_fft` points, `hop_length` apart.

    (T,) or (B, T) -> (B, frequencies, frames), complex.
    """
    import rushlight
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if return_complex is None:
        if not (input.is_complex() or (window is not None and window.is_complex())):
            raise RuntimeError("stft requires the return_complex parameter be given for real "
                               "inputs, and will further require that return_complex=True in a "
                               "future PyTorch release.")
        return_complex = True
    x = input.unsqueeze(0) if input.ndim == 1 else input
    if x.ndim != 2:
        raise RuntimeError("stft: expected a 1D or 2D tensor")
    if center:
        pad = n_fft // 2
        x = rushlight.nn.functional.pad(x.unsqueeze(1), (pad, pad), mode=pad_mode).squeeze(1)
    from .arguments import scalar_name
    shown = f"torch.{scalar_name(x.dtype)}Tensor{list(x.shape)}"
    _checked("stft", shown, n_fft, hop, length, window, x.shape[1])
    frames = x.unfold(-1, n_fft, hop)
    if window is not None or length < n_fft:
        frames = frames * _window(window, length, n_fft, x.dtype)
    norm = "ortho" if normalized else None
    two_sided = frames.is_complex() or onesided is False
    if onesided and frames.is_complex():
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    found = rushlight.fft.fft(frames, dim=-1, norm=norm) if two_sided else \
        rushlight.fft.rfft(frames, dim=-1, norm=norm)
    found = found.transpose(-1, -2)
    if input.ndim == 1:
        found = found.squeeze(0)
    return found if return_complex else rushlight.view_as_real(found)


@export("torch", "Tensor")
def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,  # noqa: A002
          normalized=False, onesided=None, length=None, return_complex=False):
    """The signal whose `stft` comes nearest to `input`."""
    import rushlight
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from "
                           "stft with return_complex=True.")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    x = input.unsqueeze(0) if input.ndim == 2 else input
    _checked("istft", "...", n_fft, hop, width, window, None)
    kind = x.dtype.to_real()
    shape = _window(window, width, n_fft, kind)
    norm = "ortho" if normalized else None
    frames = x.transpose(-1, -2)
    if return_complex:
        frames = rushlight.fft.ifft(frames, dim=-1, norm=norm)
    else:       # a whole spectrum is read as its first half
        frames = rushlight.fft.irfft(frames[..., :n_fft // 2 + 1], n_fft, dim=-1, norm=norm)
    frames = frames * shape
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    signal = _overlapped(frames, n_fft, hop, total)
    power = _overlapped((shape * shape).expand(1, count, n_fft), n_fft, hop, total)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - (n_fft // 2 if center else 0)
    signal, power = signal[:, start:end], power[:, start:end]
    if not (power.abs().min() > 1e-11).item():
        raise RuntimeError("istft(...) window overlap add min: 1")
    found = signal / power
    if length is not None and found.shape[1] < length:
        found = rushlight.nn.functional.pad(found, (0, length - found.shape[1]))
    return found.squeeze(0) if input.ndim == 2 else found


def _overlapped(frames, n_fft, hop, total):
    """Frames added up at their places: (B, frames, n_fft) -> (B, total)."""
    import rushlight
    batch, count, _ = frames.shape
    places = rushlight.arange(count).unsqueeze(1) * hop + rushlight.arange(n_fft)
    empty = rushlight.zeros(batch, total, dtype=frames.dtype)
    return empty.index_add(1, places.reshape(-1), frames.reshape(batch, count * n_fft))
