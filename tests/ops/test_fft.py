"""torch.fft against the sum that defines it, its gradients, and stft's inverse."""

import math

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck


def signal(*shape, dtype=torch.complex128):
    """A random signal."""
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def dft(x, sign=-1):
    """The defining sum over the last axis."""
    n = x.shape[-1]
    angle = torch.arange(n, dtype=torch.float64)
    angle = angle.unsqueeze(0) * angle.unsqueeze(1) * (sign * 2 * math.pi / n)
    return x.to(torch.complex128) @ torch.complex(angle.cos(), angle.sin())


def close(a, b):
    """Whether two tensors agree."""
    return a.shape == b.shape and a.dtype is b.dtype and bool(((a - b).abs() < 1e-12 * 100).all())


@pytest.mark.parametrize("n", [1, 5, 8])
def test_transforms_are_the_defining_sums(n):
    x, real = signal(2, n), signal(2, n, dtype=torch.float64)
    assert close(torch.fft.fft(x), dft(x))
    assert close(torch.fft.ifft(x), dft(x, 1) / n)
    assert close(torch.fft.fft(x, norm="ortho"), dft(x) / math.sqrt(n))
    assert close(torch.fft.fft(x, norm="forward"), dft(x) / n)
    half = n // 2 + 1
    assert close(torch.fft.rfft(real), dft(real)[..., :half])
    assert close(torch.fft.irfft(torch.fft.rfft(real), n), real)
    assert close(torch.fft.hfft(torch.fft.ihfft(real), n), real)
    assert close(torch.fft.ihfft(real), (dft(real, 1) / n)[..., :half])


def test_several_axes_sizes_and_dtypes():
    x = signal(3, 4, 5)
    assert close(torch.fft.fftn(x), torch.fft.fft(torch.fft.fft2(x), dim=0))
    assert close(torch.fft.fft(x, n=7)[..., :1], x.sum(-1, True))
    assert close(torch.fft.fft(x, n=2), dft(x[..., :2]))
    assert torch.fft.fft(torch.ones(4)).dtype is torch.complex64
    assert torch.fft.irfft(torch.ones(3)).dtype is torch.float32
    assert torch.fft.rfft(torch.arange(4)).tolist() == [6, -2 + 2j, -2]
    assert torch.fft.fftfreq(5).tolist() == pytest.approx([0, 0.2, 0.4, -0.4, -0.2])
    assert torch.fft.rfftfreq(4, 0.5).tolist() == [0, 0.5, 1]
    assert torch.fft.fftshift(torch.arange(5)).tolist() == [3, 4, 0, 1, 2]
    assert torch.fft.ifftshift(torch.fft.fftshift(torch.arange(5))).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name, dtype", [
    ("fft", torch.complex128), ("ifft2", torch.complex128), ("rfft", torch.float64),
    ("rfft2", torch.float64), ("irfft", torch.complex128), ("irfft2", torch.complex128),
    ("hfft", torch.complex128), ("ihfft", torch.float64)])
@pytest.mark.parametrize("n", [4, 5])
def test_gradients(name, dtype, n):
    x = signal(2, n, dtype=dtype).requires_grad_()
    function = getattr(torch.fft, name)
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


@pytest.mark.parametrize("onesided", [True, False])
def test_istft_undoes_stft(onesided):
    x = signal(2, 64, dtype=torch.float64).requires_grad_()
    window = torch.hann_window(16, dtype=torch.float64)
    spectrum = torch.stft(x, 16, window=window, onesided=onesided, return_complex=True)
    assert spectrum.shape == (2, 9 if onesided else 16, 17)
    found = torch.istft(spectrum, 16, window=window, onesided=onesided)
    assert close(found.detach(), x.detach())
    found.sum().backward()
    assert close(x.grad, torch.ones_like(x))


def test_errors():
    with pytest.raises(RuntimeError, match="rfft expects a real input tensor, but got ComplexD"):
        torch.fft.rfft(signal(4))
    with pytest.raises(RuntimeError, match=r"Invalid number of data points \(0\) specified"):
        torch.fft.fft(signal(4), n=0)
    with pytest.raises(RuntimeError, match='Invalid normalization mode: "loud"'):
        torch.fft.fft(signal(4), norm="loud")
    with pytest.raises(RuntimeError, match="stft requires the return_complex parameter"):
        torch.stft(torch.ones(32), 8)
