"""Feature extraction by hooks, gradient hooks, freezing, pruning, a summary of a model."""

import torch
import torch.nn as nn
from torch.nn.utils import parameters_to_vector, prune

torch.manual_seed(60)
model = nn.Sequential()
model.add_module("conv", nn.Conv2d(1, 4, 3))
model.add_module("relu", nn.ReLU())
model.add_module("pool", nn.AdaptiveMaxPool2d(2))
model.add_module("flat", nn.Flatten())
model.add_module("fc", nn.Linear(16, 3))
seen = {}


def remember(name):
    def hook(module, inputs, output):
        seen[name] = tuple(output.shape)

    return hook


handles = [m.register_forward_hook(remember(n)) for n, m in model.named_children()]
norms = []
model.conv.weight.register_hook(lambda g: norms.append(g.norm().item()) or g * 0.5)
model.fc.register_full_backward_hook(lambda m, gi, go: seen.update(grad=tuple(go[0].shape)))
x = torch.randn(2, 1, 8, 8)
model(x).sum().backward()
print(seen)
print(f"grad norm {norms[0]:.5f} halved {model.conv.weight.grad.norm().item():.5f}")
for handle in handles:
    handle.remove()

for name, p in model.named_parameters():
    if name.startswith("conv"):
        p.requires_grad = False
trainable = [p for p in model.parameters() if p.requires_grad]
print("trainable", sum(p.numel() for p in trainable))
optimizer = torch.optim.SGD(trainable, lr=0.1)
before = parameters_to_vector(model.conv.parameters()).clone()
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), torch.tensor([0, 2]))
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.5f}")
print("frozen", torch.equal(before, parameters_to_vector(model.conv.parameters())))

prune.l1_unstructured(model.fc, "weight", amount=0.5)
print(
    sorted(n for n, _ in model.fc.named_parameters()), sorted(n for n, _ in model.named_buffers())
)
print("zeros", int((model.fc.weight == 0).sum()), "of", model.fc.weight.nelement())
prune.remove(model.fc, "weight")
print("pruned", prune.is_pruned(model), int((model.fc.weight == 0).sum()))
print(model)
