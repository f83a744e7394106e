"""Transfer learning, feature maps, Grad-CAM, distillation, vector quantisation, noise schedules."""

import copy
import math
import os
import random

import numpy as np
import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, optim
from torch.optim import lr_scheduler

cudnn.benchmark = True
cudnn.deterministic = True


def set_seed(s):
    random.seed(s)
    np.random.seed(s)
    torch.manual_seed(s)
    torch.cuda.manual_seed_all(s)
    os.environ["PYTHONHASHSEED"] = str(s)


set_seed(1)


class Basic(nn.Module):
    expansion = 1

    def __init__(self, i, o, s=1):
        super().__init__()
        self.c1 = nn.Conv2d(i, o, 3, s, 1, bias=False)
        self.b1 = nn.BatchNorm2d(o)
        self.c2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.b2 = nn.BatchNorm2d(o)
        self.sc = nn.Sequential()
        if s != 1 or i != o:
            self.sc = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + self.sc(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layers = nn.Sequential(*[Basic(4, 8, 2), Basic(8, 8)])
        self.fc = nn.Linear(8, 5)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        return self.fc(F.adaptive_avg_pool2d(self.layers(self.stem(x)), 1).flatten(1))


X = torch.randn(48, 3, 12, 12)
y = torch.randint(0, 5, (48,))
sets = {
    "train": torch.utils.data.TensorDataset(X[:32], y[:32]),
    "val": torch.utils.data.TensorDataset(X[32:], y[32:]),
}
loaders = {
    k: torch.utils.data.DataLoader(
        v, batch_size=8, shuffle=k == "train", num_workers=0, pin_memory=False
    )
    for k, v in sets.items()
}


def train_model(model, criterion, optimizer, scheduler, num_epochs=2):
    best = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for epoch in range(num_epochs):
        print(f"Epoch {epoch}/{num_epochs - 1}")
        print("-" * 10)
        for phase in ["train", "val"]:
            model.train() if phase == "train" else model.eval()
            rl, rc = 0.0, 0
            for inputs, labels in loaders[phase]:
                inputs = inputs.to("cpu", non_blocking=True)
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    out = model(inputs)
                    _, preds = torch.max(out, 1)
                    loss = criterion(out, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                rl += loss.item() * inputs.size(0)
                rc += torch.sum(preds == labels.data)
            if phase == "train":
                scheduler.step()
            n = len(sets[phase])
            ea = rc.double() / n
            print(f"{phase} Loss: {rl / n:.4f} Acc: {ea:.4f}")
            if phase == "val" and ea > best_acc:
                best_acc = ea
                best = copy.deepcopy(model.state_dict())
    print(f"Best val Acc: {best_acc:4f}")
    model.load_state_dict(best)
    return model


net = Net()
o = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
net = train_model(net, nn.CrossEntropyLoss(), o, lr_scheduler.StepLR(o, 7, 0.1))
for p in net.parameters():
    p.requires_grad = False
net.fc = nn.Linear(net.fc.in_features, 2)
o = optim.SGD([{"params": net.fc.weight}, {"params": net.fc.bias, "lr": 0.1}], lr=0.001)
print(o)
o.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 1.0})
print(len(o.param_groups), [n for n, p in net.named_parameters() if p.requires_grad])
net.fc.weight.requires_grad_()
net.layers[0].c1.requires_grad_(True)
# hooks for feature maps
feats = {}
h = net.layers.register_forward_hook(lambda m, i, o: feats.__setitem__("l", o.detach()))
hp = net.stem.register_forward_pre_hook(lambda m, i: (i[0] * 2,))
grads = {}
hb = net.fc.register_full_backward_hook(lambda m, gi, go: grads.update(fc=go[0]))
out = net.eval()(X[:2])
F.cross_entropy(out, torch.tensor([0, 1])).backward()
print(feats["l"].shape, grads["fc"], net.stem.weight.grad)
h.remove()
hp.remove()
hb.remove()
# gradcam
A = []
hh = net.layers[1].register_forward_hook(lambda m, i, o: (A.append(o), o.retain_grad())[0] and None)
s = net(X[:1])[0, 0]
s.backward()
cam = F.relu((A[0].grad.mean((2, 3), keepdim=True) * A[0]).sum(1))
print(cam.shape, cam / cam.max().clamp(min=1e-6))
hh.remove()
# kd + accumulation + clip
T = 2.0
stu = nn.Sequential(nn.Flatten(), nn.Linear(432, 2))
so = torch.optim.Adam(stu.parameters())
for i in range(4):
    with torch.no_grad():
        tl = net(X[:8])
    sl = stu(X[:8])
    loss_ = torch.sum(
        F.softmax(tl / T, -1) * (F.softmax(tl / T, -1).log() - F.log_softmax(sl / T, -1))
    ) / sl.size(0) * T**2 + F.kl_div(F.log_softmax(sl, 1), F.softmax(tl, 1), reduction="batchmean")
    (loss_ / 2).backward()
    if (i + 1) % 2 == 0:
        print(torch.nn.utils.clip_grad_norm_(stu.parameters(), 0.5))
        so.step()
        so.zero_grad()
# autograd misc
print(
    torch.autograd.gradcheck(
        lambda a: (a**2).sin(), torch.randn(3, dtype=torch.double, requires_grad=True)
    ),
    sum(p.numel() for p in net.parameters()),
)


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, alpha=0.1):
        ctx.save_for_backward(input)
        ctx.alpha = alpha
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (input,) = ctx.saved_tensors
        g = g.clone()
        g[input < 0] = ctx.alpha
        return g, None


z = torch.randn(4, requires_grad=True)
r = MyReLU.apply(z, 0.5)
print(r)
r.sum().backward()
print(z.grad)


class VQ(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(6, 4)
        self.e.weight.data.uniform_(-1 / 6, 1 / 6)

    def forward(self, x):
        d = x.pow(2).sum(1, keepdim=True) + self.e.weight.pow(2).sum(1) - 2 * x @ self.e.weight.t()
        i = d.argmin(1)
        q = self.e(i)
        loss_ = F.mse_loss(q.detach(), x) * 0.25 + F.mse_loss(q, x.detach())
        q = x + (q - x).detach()
        p = F.one_hot(i, 6).float().mean(0)
        return q, loss_, torch.exp(-(p * (p + 1e-10).log()).sum()), i


vq = VQ()
q, loss_, pp, i = vq(torch.randn(8, 4, requires_grad=True))
print(q, loss_, pp, i)
# diffusion
betas = torch.linspace(1e-4, 0.02, 20)
ac = torch.cumprod(1 - betas, 0)
t = torch.randint(0, 20, (4,))
x0 = torch.randn(4, 2)
n = torch.randn_like(x0)
xt = ac[t].sqrt()[:, None] * x0 + (1 - ac[t]).sqrt()[:, None] * n
print(xt, F.pad(ac[:-1], (1, 0), value=1.0)[:3], ac.gather(-1, t).view(-1, 1))
half = 4
freqs = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
a = t[:, None].float() * freqs[None]
print(torch.cat([a.cos(), a.sin()], -1)[0])
cm = torch.compile(nn.Linear(2, 2))
print(cm(torch.ones(1, 2)).shape)
print(
    torch.get_num_threads() >= 1,
    torch.__version__[:1],
    torch.initial_seed(),
    torch.are_deterministic_algorithms_enabled(),
)
