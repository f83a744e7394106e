"""The notes' network and training code, as text, for the tests of 3.1 and 3.2."""

NET = """
import torch
import torch.nn as nn
import torch.nn.functional as F

class Net(nn.Module):
  def __init__(self):
    super(Net, self).__init__()
    self.conv1 = nn.Conv2d({channels}, 6, 5)
    self.conv2 = nn.Conv2d(6, 16, 5)
    self.fc1 = nn.Linear(16 * 5 * 5, 120)
    self.fc2 = nn.Linear(120, 84)
    self.fc3 = nn.Linear(84, 10)

  def forward(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
    x = F.max_pool2d(F.relu(self.conv2(x)), 2)
    x = x.view(-1, 16 * 5 * 5)
    x = F.relu(self.fc1(x))
    x = F.relu(self.fc2(x))
    x = self.fc3(x)
{returns}

net = Net()
"""

RETURNS = "    return x"
RETURNS_TOO_FAR_OUT = "return x"

LOADERS = """
import torch
import torchvision
import torchvision.transforms as transforms

transform = transforms.Compose( [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))] )

trainset = {trainset}
trainloader = torch.utils.data.DataLoader(trainset, batch_size=4, shuffle=True, num_workers=2)

testset = {testset}
testloader = torch.utils.data.DataLoader(testset, batch_size=4, shuffle=False, num_workers=2)
"""  # noqa: E501 (the notes' own line)

LOSS = """
import torch.optim as optim

criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr={lr}, momentum=0.9)
"""

TRAIN = """
for epoch in range({epochs}): # loop over the dataset multiple times

  running_loss = 0.0
  for i, data in enumerate(trainloader, 0):

    # get the inputs
    inputs, labels = data

    # zero the parameter gradients
    optimizer.zero_grad()

    # forward + backward + optimize
    outputs = net(inputs)
    loss = criterion(outputs, labels)
    loss.backward()
    optimizer.step()

    # print statistics
    running_loss += loss.item()
    if i % {every} == {every} - 1: # print every so many mini-batches
      print('[%d, %5d] loss: %.3f' %(epoch + 1, i + 1, running_loss / {every}))
      running_loss = 0.0
"""

TEST = """
correct = 0
total = 0
with torch.no_grad():
  for data in testloader:
    images, labels = data
    outputs = net(images)
    _, predicted = torch.max(outputs.data, 1)
    total += labels.size(0)
    correct += (predicted == labels).sum().item()

print('Accuracy of the network on the %d test images: %d %%' % (total, 100 * correct / total))
"""
