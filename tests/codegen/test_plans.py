"""Compiled plans against the interpreter's on whole programs: same values, in place and out."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAMS = {
    "pointwise chains over several layouts": """
        x, y = torch.randn(100, 33), torch.randn(33)
        z = (x * y + 1).relu()
        w = (z * 2 - x).abs()
        u = w.t() + 1
        s = torch.sigmoid(u) * 3
        show(z.sum(), w, s, s.contiguous(), (x > 0) & (x < 1), x.to(torch.float64) * 2)
    """,
    "numbers that change": """
        for k in range(4):
            x = torch.arange(6) * k + k
            show(x, x * 0.5 + k, torch.ones(3) * (k / 3), x.add(1, alpha=k))
    """,
    "broadcasting and sizes of one": """
        a, b = torch.randn(5, 1, 3), torch.randn(1, 4, 1)
        show(a + b, (a * b).sum(1), a.expand(5, 4, 3) - b, torch.randn(()) + a, a[:, 0] * 2)
    """,
    "in place: whole, views, slices, and who still holds the old value": """
        x = torch.randn(8, 8)
        old = x.clone()
        kept = x * 1
        x.mul_(2)
        x[2:4] = 7
        x[:, 1].add_(old[:, 2])
        y = x.t()
        y[0] = -1
        show(x, old, kept, y)
    """,
    "empty tensors": """
        x = torch.randn(0, 3)
        show(x + 1, (x * 2).sum(0), x.t() * 3)
    """,
    "integers and bools": """
        i = torch.arange(-5, 5)
        j = i.to(torch.int8)
        show(i * 3, j * 100, i.abs(), (i > 2) | (j < 0), i.to(torch.uint8), ~(i > 0),
             i.clamp(-2, 3))
    """,
    "narrow floats": """
        x = torch.randn(40).to(torch.bfloat16)
        h = torch.randn(40).half()
        show(x * 1.1 + x, h.relu() - h, (x.float() * h.float()), x > 0)
    """,
    "a training step": """
        net = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 4))
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        x, labels = torch.randn(16, 20), torch.randint(0, 4, (16,))
        for _ in range(4):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            show(loss)
        show(*[p.grad for p in net.parameters()], *net.parameters())
    """,
    "several steps in one trace": """
        w = torch.randn(6, 6, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
        show(w, w.grad)
    """,
    "random numbers go on": """
        a = torch.rand(10) * 2
        b = F.dropout(torch.ones(50), 0.5)
        show(a, b, torch.randn(20) + a.sum(), torch.rand(3))
    """,
    "parameters that share one initial value": """
        layer = nn.Linear(6, 6)
        nn.init.zeros_(layer.bias)
        import copy
        net = nn.Sequential(layer, nn.Tanh(), copy.deepcopy(layer))
        optimizer = torch.optim.RAdam(net.parameters(), lr=0.1)
        net(torch.randn(3, 6)).square().sum().backward()
        optimizer.step()
        show(*net.parameters())
    """,
    "a write from the very memory it overwrites": """
        x = torch.arange(10.0) * 2
        x[1:] = x[:-1]
        y = torch.arange(12.0).reshape(3, 4) + 1
        y[:, 1:3].copy_(y[:, 0:2])
        show(x, y)
    """,
    "batch normalisation and what follows it": """
        x = torch.randn(4, 6, 5, 7).requires_grad_()
        other, row = torch.randn(4, 6, 5, 7), torch.randn(1, 6, 1, 1)
        norm, flat = nn.BatchNorm2d(6), nn.BatchNorm1d(35)
        y = norm(x).relu()
        z = (norm(x) * row + other).clamp(-1, 1)
        n = norm(x)
        kept = F.relu6(n * 3)
        narrow = norm(x).half() + other.half()
        line = flat(x.reshape(24, 35)).tanh() + torch.randn(35)
        last = norm(x.contiguous(memory_format=torch.channels_last)).relu()
        moved = norm(x).relu() + other.transpose(2, 3).contiguous().transpose(2, 3)
        (y.sum() + (z * z).sum() + (kept * n).sum() + (line * line).sum()).backward()
        norm.eval()
        show(y, z, n, kept, narrow, line, last, moved, norm(x) > 0, norm.running_mean,
             norm.running_var, x.grad, norm.weight.grad, norm.bias.grad, flat.weight.grad)
    """,
    "cross entropy": """
        labels = torch.randint(0, 40, (30,))
        labels[3] = -100
        for kind in (torch.float32, torch.float64):
            for width in (7, 40, 130):
                x = torch.randn(30, width).to(kind).requires_grad_()
                weight = torch.rand(width).to(kind)
                for reduction in ("mean", "sum", "none"):
                    for given in (None, weight):
                        loss = F.cross_entropy(x, labels % width, given, reduction=reduction,
                                               ignore_index=2)
                        loss.sum().backward()
                        show(loss, x.grad)
        x = torch.randn(3, 5, 4, requires_grad=True)
        F.cross_entropy(x, labels[:12].reshape(3, 4) % 5).backward()
        show(x.grad)
        logs = torch.randn(30, 5).log_softmax(0).requires_grad_()
        part = F.nll_loss(logs.log_softmax(1), labels % 5)
        show(*torch.autograd.grad(part, logs))
    """,
    "an index out of range": """
        table = torch.randn(5, 3)
        for index in (2, 7, 3):
            try:
                show(F.nll_loss(F.log_softmax(table, 1), torch.tensor([0, 1, 2, index % 8, 1])))
            except (IndexError, RuntimeError) as error:
                print(type(error).__name__)
        show(table)
    """,
}

HEAD = """
import sys
import numpy as np
import rushlight as torch
import rushlight.nn as nn, rushlight.nn.functional as F
found = []
def show(*tensors):
    for t in tensors:
        found.append(t.detach().to(torch.float64).numpy().copy())
for repeat in range(3):
    torch.manual_seed(1)
"""


def run(program: str, mode: str, tmp_path, **environment) -> list:
    """The arrays that a program shows, run in a process of its own with RUSHLIGHT_JIT=mode."""
    import os

    import numpy as np
    path = tmp_path / f"{mode}.npz"
    text = HEAD + textwrap.indent(textwrap.dedent(program), "    ") + \
        f"\nnp.savez({str(path)!r}, *found)\n"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True,
                          env={**os.environ, "RUSHLIGHT_JIT": mode, **environment})
    assert done.returncode == 0, done.stderr
    with np.load(path) as saved:
        return [saved[name] for name in saved.files] + [done.stdout]


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_equals_interpreted(name, tmp_path):
    import numpy as np
    expected = run(PROGRAMS[name], "0", tmp_path)
    found = run(PROGRAMS[name], "sync", tmp_path, RUSHLIGHT_DEBUG="1")
    assert len(found) == len(expected) and found[-1] == expected[-1]
    for a, b in zip(found[:-1], expected[:-1]):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
