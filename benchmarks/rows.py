"""The rows of the benchmark: what is measured, how much work it is, what ratio is asked for.

A `Row` is one frozen record. Its `build(torch, wrap)` takes any module with PyTorch's names and
returns a `Work`: `step()` does the work once, to its end, and `values()` gives what two libraries
must agree on. `wrap` is what a compiler puts around it: the identity, ``torch.compile`` or
``rushlight.compile``.

FLOPs count a multiply-add as two, in matrix products and convolutions only, as PyTorch's
`torch.utils.flop_counter` does (but that counts no attention on the CPU, no LSTM, and the gradient
of a depthwise convolution as a dense one's). Bytes are the least that must cross memory. A row has
the one that limits it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import lenet, networks


@dataclass(frozen=True)
class Work:
    """One built piece of work; `values` is called on a fresh one.

    trained: the values are the losses of the first steps. Only the first is a fair comparison: what
    the two libraries round differently grows from step to step, the faster the less stable the
    network (drift).
    """

    step: Callable[[], Any]
    values: Callable[[], list[Any]]
    trained: bool = False


@dataclass(frozen=True)
class Row:
    """One row: `at_least` and `aim` are PyTorch's time over ours.

    aim_share: where the aim is no ratio but a share of the machine's memory speed.
    compiled: rushlight's step goes through `rushlight.compile`; PyTorch's stays eager.
    """

    name: str
    title: str
    build: Callable[[Any, Callable], Work]
    at_least: float
    aim: float | None
    aim_share: float | None = None
    flops: float = 0.0
    bytes: float = 0.0
    compiled: bool = False
    low_precision: bool = False


def trained(step: Callable[[], float]) -> Work:
    """A training step: its first three losses are what is compared."""
    return Work(step, lambda: [step() for _ in range(3)], trained=True)


def computed(torch: Any, compute: Callable[[], list[Any]]) -> Work:
    """Tensors computed from fixed inputs. They are held until the work is done, then dropped."""
    def step():
        kept = compute()
        torch.cpu.synchronize()     # rushlight is lazy; PyTorch's CPU has nothing to wait for
        return kept

    return Work(step, lambda: [t.detach().float().numpy() for t in compute()])


def _lenet(batch: int) -> Callable:
    def build(torch, wrap):
        return trained(wrap(lenet.make_step(torch, batch)))
    return build


def _classifier(make_net: Callable, shape: tuple, classes: int) -> Callable:
    """A training step of a classifier: SGD with momentum on one fixed batch."""
    def build(torch, wrap):
        torch.manual_seed(0)
        net = make_net(torch)
        net.train()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        inputs, labels = torch.randn(*shape), torch.randint(0, classes, (shape[0],))
        criterion = torch.nn.CrossEntropyLoss()

        def step():
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
            return loss.item()
        return trained(wrap(step))
    return build


def _gpt(torch, wrap):
    torch.manual_seed(0)
    net = networks.make_gpt(torch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    index, targets = torch.randint(0, 65, (4, 256)), torch.randint(0, 65, (4, 256))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = net(index, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.item()
    return trained(wrap(step))


def _resnet50(torch, wrap):
    torch.manual_seed(0)
    net = networks.make_resnet(torch, "50").eval()
    x = torch.randn(1, 3, 224, 224)

    def infer():
        with torch.no_grad():
            return [net(x)]
    return computed(torch, wrap(infer))


def _gemm(m: int, n: int, k: int, half: bool = False) -> Callable:
    def build(torch, wrap):
        torch.manual_seed(0)
        a, b = torch.randn(m, k), torch.randn(k, n)
        if half:
            a, b = a.bfloat16(), b.bfloat16()
        return computed(torch, wrap(lambda: [a @ b]))
    return build


def _convolution(channels: int, size: int, backward: bool) -> Callable:
    def build(torch, wrap):
        torch.manual_seed(0)
        x = torch.randn(64, channels, size, size, requires_grad=backward)
        weight = (torch.randn(channels, channels, 3, 3) / (3 * channels ** 0.5)).requires_grad_(
            backward)
        g = torch.randn(64, channels, size, size)
        convolve = torch.nn.functional.conv2d

        def forward():
            with torch.no_grad():
                return [convolve(x, weight, padding=1)]

        def both():
            x.grad = weight.grad = None
            y = convolve(x, weight, padding=1)
            y.backward(g)
            return [y, x.grad, weight.grad]
        return computed(torch, wrap(both if backward else forward))
    return build


def _gelu(torch, wrap):
    torch.manual_seed(0)
    x, y = torch.randn(10_000_000), torch.randn(10_000_000)
    return computed(torch, wrap(lambda: [torch.nn.functional.gelu(x * y + 1).sum()]))


def _rows(name: str) -> Callable:
    """Rows of 1024, 8192 of them, forward and backward."""
    def build(torch, wrap):
        torch.manual_seed(0)
        functional = torch.nn.functional
        x = torch.randn(8192, 1024, requires_grad=True)
        g, labels = torch.randn(8192, 1024), torch.randint(0, 1024, (8192,))
        weight = torch.ones(1024, requires_grad=True)
        bias = torch.zeros(1024, requires_grad=True)

        def compute():
            x.grad = weight.grad = bias.grad = None
            if name == "cross_entropy":
                y = functional.cross_entropy(x, labels)
                y.backward()
                return [y, x.grad]
            if name == "softmax":
                y = functional.softmax(x, dim=1)
                y.backward(g)
                return [y, x.grad]
            y = functional.layer_norm(x, (1024,), weight, bias)
            y.backward(g)
            return [y, x.grad, weight.grad, bias.grad]
        return computed(torch, wrap(compute))
    return build


def _adamw(torch, wrap):
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(500, 500)) for _ in range(100)]
    for parameter in parameters:
        parameter.grad = torch.randn(500, 500)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    advance = wrap(optimizer.step)

    def step():
        advance()
        torch.cpu.synchronize()

    def values():
        step()
        step()
        return [parameters[0].detach().numpy(), parameters[99].detach().numpy()]
    return Work(step, values)


MEGA, GIGA = 1e6, 1e9
ROW_BYTES = 4 * 8192 * 1024
LENET_FLOPS = 3_204_720     # one picture's training step; the first layer needs no input gradient
# Two layers of four gates over 64 x 32 steps, forward and twice back, but for the input's gradient.
LSTM_FLOPS = 2 * 64 * 32 * 4 * 256 * (3 * 2 * 512 - 256)

ROWS = (
    Row("lenet4", "LeNet step, batch 4", _lenet(4), 2.0, 4, flops=4 * LENET_FLOPS),
    Row("lenet4-compile", "the same inside compile", _lenet(4), 5, 10, flops=4 * LENET_FLOPS,
        compiled=True),
    Row("lenet128", "LeNet step, batch 128", _lenet(128), 2.0, 4, flops=128 * LENET_FLOPS),
    Row("resnet18", "ResNet-18 (3x32x32) step, batch 64",
        _classifier(lambda torch: networks.make_resnet(torch, "cifar18"), (64, 3, 32, 32), 10),
        1.1, 1.6, flops=213.06 * GIGA),
    Row("mobilenetv2", "MobileNetV2 (3x64x64) step, batch 32",
        _classifier(networks.make_mobilenetv2, (32, 3, 64, 64), 200), 1.3, 2,
        flops=4.68664 * GIGA),
    Row("resnet50", "ResNet-50 inference, batch 1 at 224", _resnet50, 1.1, 1.5, flops=8.178 * GIGA),
    Row("gpt", "GPT (6 x 384) step, batch 4 x 256", _gpt, 1.1, 1.5, flops=72.63 * GIGA),
    Row("lstm", "LSTM (2 x 256) step, batch 32 x 64",
        _classifier(networks.make_lstm, (32, 64, 256), 10), 1.3, 2.5, flops=LSTM_FLOPS),
    *[Row(f"sgemm{n}", f"SGEMM {n}", _gemm(n, n, n), 1.0, 1.2, flops=2 * n ** 3)
      for n in (256, 512, 1024, 2048)],
    Row("gemv4096", "SGEMM M=1, N=K=4096", _gemm(1, 4096, 4096), 1.0, 1.2, bytes=4 * 4096 ** 2),
    Row("bfloat16", "bfloat16 GEMM 1024", _gemm(1024, 1024, 1024, half=True), 1.0, 1.2,
        flops=2 * 1024 ** 3, low_precision=True),
    *[Row(f"conv{c}{'-backward' if backward else ''}",
          f"conv 3x3 {c}x{s}x{s}, {'forward+backward' if backward else 'forward'}",
          _convolution(c, s, backward), 0.9, 1.15,
          flops=(3 if backward else 1) * 2 * 64 * s * s * c * c * 9)
      for c, s in ((64, 32), (128, 16), (256, 8), (512, 4)) for backward in (False, True)],
    Row("gelu", "gelu(x*y+1).sum(), 10M floats", _gelu, 4, None, 0.8, bytes=80 * MEGA),
    Row("softmax", "softmax 8192x1024, forward+backward", _rows("softmax"), 1.5, 3,
        bytes=5 * ROW_BYTES),
    Row("layer_norm", "layer_norm 8192x1024, forward+backward", _rows("layer_norm"), 1.5, 3,
        bytes=5 * ROW_BYTES),
    Row("cross_entropy", "cross_entropy 8192x1024, forward+backward", _rows("cross_entropy"),
        1.5, 3, bytes=3 * ROW_BYTES),
    Row("adamw", "AdamW step, 25M parameters in 100 tensors", _adamw, 1.2, None, 0.8,
        bytes=7 * 100 * MEGA),
)
