"""LeNet, the classifier of the notes; rushlight's own addition to torchvision's models."""

from rushlight import nn
from rushlight.nn import functional as F
from rushlight.vision.models._api import register_model

__all__ = ["LeNet", "lenet"]


class LeNet(nn.Module):
    """Two convolutions of 5x5, each with ReLU and pooling, then three linear layers.

    Args:
        num_classes: outputs.
        in_channels: 1 (gray) or 3 (colour), or any other number.
        image_size: side of the pictures in pixels; 28 for MNIST's, 32 for CIFAR's.

    Shapes: (N, in_channels, image_size, image_size) gives (N, num_classes).

    Raises:
        ValueError: pictures of less than 16 pixels, of which nothing is left after the pooling.

    Example:
        >>> sum(p.numel() for p in LeNet().parameters())
        62006

    Source: LeCun et al. 1998, in the form of PyTorch's CIFAR-10 tutorial.
    """

    def __init__(self, num_classes=10, in_channels=3, image_size=32):
        super().__init__()
        side = ((image_size - 4) // 2 - 4) // 2
        if side < 1:
            raise ValueError(f"image_size must be at least 16 pixels, got {image_size}")
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


@register_model()
def lenet(**kwargs):
    """`LeNet`."""
    return LeNet(**kwargs)
