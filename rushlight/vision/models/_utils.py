"""Helpers for building networks and for taking features out of them."""

from collections import OrderedDict

from rushlight import nn


def _make_divisible(v, divisor, min_value=None):
    """`v` rounded to a multiple of `divisor`, but never to less than nine tenths of it."""
    rounded = max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


class IntermediateLayerGetter(nn.ModuleDict):
    """A model cut after the last layer asked for, returning the outputs of layers by new names.

    Args:
        model: its direct children must be used in the order of their registration.
        return_layers: {child's name: name in the result}.

    Raises:
        ValueError: a name that is not a child.

    Example:
        >>> import rushlight
        >>> from rushlight.vision.models import resnet18
        >>> getter = IntermediateLayerGetter(resnet18(), {"layer1": "feat1", "layer3": "feat2"})
        >>> [(k, tuple(v.shape)) for k, v in getter(rushlight.rand(1, 3, 64, 64)).items()]
        [('feat1', (1, 64, 16, 16)), ('feat2', (1, 256, 4, 4))]
    """

    def __init__(self, model, return_layers):
        children = dict(model.named_children())
        if not set(return_layers) <= set(children):
            raise ValueError("return_layers are not present in model")
        remaining = {str(name) for name in return_layers}
        kept = OrderedDict()
        for name, module in children.items():
            kept[name] = module
            remaining.discard(name)
            if not remaining:
                break
        super().__init__(kept)
        self.return_layers = {str(name): str(new) for name, new in return_layers.items()}

    def forward(self, x):
        features = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                features[self.return_layers[name]] = x
        return features
