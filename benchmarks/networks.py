"""The benchmark's networks, each written once for any module with PyTorch's names.

ResNet (He et al. 2016; CIFAR's and ImageNet's stem), MobileNetV2 (Sandler et al. 2018), a GPT as in
nanoGPT (Karpathy 2022), a two-layer LSTM. No dropout anywhere: PyTorch draws its masks from a
vendor's generator, and the losses of two libraries are compared.
"""

from __future__ import annotations

import math
from typing import Any


def make_resnet(torch: Any, kind: str) -> Any:
    """Return ResNet-18 for 3x32x32 pictures ("cifar18") or ResNet-50 for 3x224x224 ("50")."""
    nn = torch.nn
    cifar = kind == "cifar18"
    expansion, depths = (1, (2, 2, 2, 2)) if cifar else (4, (3, 4, 6, 3))

    class Block(nn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            outputs = width * expansion
            sizes = ((inputs, width, 3, stride), (width, outputs, 3, 1)) if cifar else (
                (inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1))
            self.convolutions = nn.ModuleList(
                nn.Conv2d(a, b, size, step, size // 2, bias=False) for a, b, size, step in sizes)
            self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _, _ in sizes)
            self.relu = nn.ReLU(inplace=True)
            self.shortcut = None
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x):
            kept = x if self.shortcut is None else self.shortcut(x)
            last = len(self.norms) - 1
            for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms)):
                x = norm(convolution(x))
                x = self.relu(x) if i < last else x
            return self.relu(x + kept)

    stem = [nn.Conv2d(3, 64, 3 if cifar else 7, 1 if cifar else 2, 1 if cifar else 3, bias=False),
            nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    if not cifar:
        stem.append(nn.MaxPool2d(3, 2, 1))
    blocks, channels = [], 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        for i in range(depth):
            blocks.append(Block(channels, width, 2 if stage and not i else 1))
            channels = width * expansion
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(channels, 10 if cifar else 1000))


def make_mobilenetv2(torch: Any, classes: int = 200) -> Any:
    """Return MobileNetV2 (width 1) for pictures of any size."""
    nn = torch.nn

    def layer(inputs, outputs, size=1, stride=1, groups=1):
        return [nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
                nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True)]

    class InvertedResidual(nn.Module):
        def __init__(self, inputs, outputs, stride, factor):
            super().__init__()
            hidden = inputs * factor
            self.residual = stride == 1 and inputs == outputs
            self.layers = nn.Sequential(
                *(layer(inputs, hidden) if factor != 1 else ()),
                *layer(hidden, hidden, 3, stride, hidden),
                nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x):
            return x + self.layers(x) if self.residual else self.layers(x)

    layers, channels = layer(3, 32, 3, 2), 32
    for factor, outputs, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2),
                                           (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                           (6, 320, 1, 1)):
        for i in range(count):
            layers.append(InvertedResidual(channels, outputs, 1 if i else stride, factor))
            channels = outputs
    return nn.Sequential(*layers, *layer(channels, 1280), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(1280, classes))


def make_gpt(torch: Any, layers: int = 6, width: int = 384, heads: int = 6, context: int = 256,
             vocabulary: int = 65) -> Any:
    """Return a decoder-only transformer; called with token numbers and targets it gives the loss.

    B: batch, T: context, C: width, H: heads.
    """
    nn, functional = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.projection = nn.Linear(width, width, bias=False)

        def forward(self, x):
            b, t, c = x.size()
            q, k, v = self.qkv(x).split(width, dim=2)                     # (B, T, C) each
            q, k, v = (one.view(b, t, heads, c // heads).transpose(1, 2)  # (B, H, T, C / H)
                       for one in (q, k, v))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.projection(y.transpose(1, 2).contiguous().view(b, t, c))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.attention = nn.LayerNorm(width, bias=False), Attention()
            self.norm2 = nn.LayerNorm(width, bias=False)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width, bias=False), nn.GELU(),
                                     nn.Linear(4 * width, width, bias=False))

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(context, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.LayerNorm(width, bias=False)
            self.head = nn.Linear(width, vocabulary, bias=False)
            for name, parameter in self.named_parameters():
                if parameter.dim() > 1:
                    last = name.endswith(("projection.weight", "mlp.2.weight"))
                    std = 0.02 / math.sqrt(2 * layers) if last else 0.02
                    nn.init.normal_(parameter, mean=0.0, std=std)
            self.tokens.weight = self.head.weight

        def forward(self, index, targets):
            positions = torch.arange(index.size(1))
            x = self.tokens(index) + self.positions(positions)            # (B, T, C)
            for block in self.blocks:
                x = block(x)
            logits = self.head(self.norm(x))                              # (B, T, vocabulary)
            return functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))

    return Transformer()


def make_lstm(torch: Any, width: int = 256, classes: int = 10) -> Any:
    """Return a two-layer LSTM over (batch, time, width) with a classifier on its last output."""
    nn = torch.nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
            self.head = nn.Linear(width, classes)

        def forward(self, x):
            outputs, _ = self.lstm(x)
            return self.head(outputs[:, -1])

    return Recurrent()
