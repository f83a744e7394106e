"""The path of the notes as one script: from a tensor to a classifier trained on real pictures.

    python docs/tour.py          prints what docs/tour.txt records

Every line of output is checked in the tests. The numbers are PyTorch's: change the import below to
`import torch` and the same text comes out.
"""

import rushlight as torch
import rushlight.nn as nn
import rushlight.nn.functional as F
import rushlight.optim as optim
from rushlight.utils.data import DataLoader, TensorDataset


def heading(text):
    """Print a section's title."""
    print(f"\n--- {text}")


heading("1. A tensor, an expression, its gradient")
x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
y = x + 1
z = y * y
out = z.mean()
(20 - out).backward()
print(y)
print(out)
print(x.grad)

heading("2. Indexing, maxima, one-hot and back")
a = torch.tensor([[1, 2], [3, 4], [5, 6]])
print(a[a > 3], a[:, -1], a[[2, 0]].tolist())
print(a.max(1))
labels = torch.tensor([2, 0, 1])
one_hot = torch.zeros(3, 4, dtype=torch.long).scatter_(1, labels.unsqueeze(1), 1)
print(one_hot, one_hot.argmax(1).tolist())

heading("3. NumPy shares the memory")
shared = torch.ones(3)
array = shared.numpy()
shared.add_(1)
array[0] = 7
print(shared, array.tolist())

heading("4. The same seed, the same numbers")
torch.manual_seed(42)
print(torch.randn(2, 3))
print(torch.randperm(8).tolist())

heading("5. detach and .data: one is noticed, the other is not")
a = torch.tensor([1, 2, 3.0], requires_grad=True)
out = a.sigmoid()
out.detach().zero_()
try:
    out.sum().backward()
except RuntimeError as error:
    print("RuntimeError:", str(error).partition(":")[0])
out = a.sigmoid()
out.data.zero_()
out.sum().backward()
print(a.grad, "(wrong, and nobody said so)")

heading("6. A network is its modules and eight dictionaries")


class Net(nn.Module):
    """The notes' LeNet for 32x32 gray pictures."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        """Return the ten class scores of each picture."""
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


torch.manual_seed(0)
net = Net()
print(net)
print(sum(p.numel() for p in net.parameters()), "parameters")
print([name for name, _ in net.named_parameters()][:3])

heading("7. Hooks see what flows")
seen = []
handle = net.fc3.register_forward_hook(lambda module, args, result: seen.append(result.shape))
scores = net(torch.zeros(2, 1, 32, 32))
scores.register_hook(lambda gradient: print("gradient of the scores:", tuple(gradient.shape)))
scores.sum().backward()
handle.remove()
print(seen)

heading("8. Modes: train, eval, no_grad")
dropout = nn.Dropout(0.5)
print(dropout.eval()(torch.ones(4)).tolist())
with torch.no_grad():
    print(net(torch.zeros(1, 1, 32, 32)).requires_grad)

heading("9. A learning rate that falls")
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
rates = []
for _ in range(6):
    optimizer.step()
    rates.append(round(optimizer.param_groups[0]["lr"], 6))
    scheduler.step()
print(rates)

heading("10. The classifier on real pictures")
from rushlight.vision.datasets.sample import load_fashion_mnist_sample  # noqa: E402


def as_tensors(images, classes):
    """Pad 28x28 bytes to 32x32 and scale them to -1..1."""
    pictures = F.pad(torch.from_numpy(images).float().div(255).unsqueeze(1), (2, 2, 2, 2))
    return TensorDataset((pictures - 0.5) / 0.5, torch.from_numpy(classes))


train_images, train_labels, test_images, test_labels = load_fashion_mnist_sample()
torch.manual_seed(0)
net = Net()
loader = DataLoader(as_tensors(train_images[:6400], train_labels[:6400]), 32, shuffle=True)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for epoch in range(2):
    running_loss = 0.0
    for i, (inputs, targets) in enumerate(loader, 0):
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        if i % 100 == 99:
            print(f"[{epoch + 1}, {i + 1:5d}] loss: {running_loss / 100:.2f}")
            running_loss = 0.0

correct = 0
with torch.no_grad():
    for inputs, targets in DataLoader(as_tensors(test_images, test_labels), 100):
        correct += (net(inputs).argmax(1) == targets).sum().item()
print(f"Accuracy on 2000 test pictures: {round(100 * correct / 2000)} %")

heading("11. Saved and loaded")
import io  # noqa: E402

buffer = io.BytesIO()
torch.save(net.state_dict(), buffer)
buffer.seek(0)
again = Net()
print(again.load_state_dict(torch.load(buffer)))
print(torch.equal(again.fc3.weight, net.fc3.weight))
