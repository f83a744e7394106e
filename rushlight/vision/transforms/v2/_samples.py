"""Finding the picture in a sample and putting the changed one in its place."""

from rushlight import Tensor, nn
from rushlight.vision._pillow import is_pillow_image


def _leaves(sample):
    if isinstance(sample, dict):
        for value in sample.values():
            yield from _leaves(value)
    elif isinstance(sample, (list, tuple)):
        for value in sample:
            yield from _leaves(value)
    else:
        yield sample


def _replaced(sample, old, new):
    """`sample` with the leaf `old` (that very object) replaced."""
    if sample is old:
        return new
    if isinstance(sample, dict):
        return type(sample)((key, _replaced(value, old, new)) for key, value in sample.items())
    if isinstance(sample, (list, tuple)):
        values = [_replaced(value, old, new) for value in sample]
        return type(sample)(*values) if hasattr(sample, "_fields") else type(sample)(values)
    return sample


def change_picture(inputs, change, is_picture=is_pillow_image):
    """The inputs of a transform with `change` made to their one picture.

    Raises:
        NotImplementedError: several pictures, which would have to be changed alike.
    """
    sample = inputs if len(inputs) > 1 else inputs[0]
    pictures = [leaf for leaf in _leaves(sample) if is_picture(leaf)]
    if len(pictures) > 1:
        raise NotImplementedError(
            "transforms of several pictures in one sample (or of a picture with its mask) are "
            "not implemented"
        )
    if not pictures:
        pictures = [leaf for leaf in _leaves(sample) if isinstance(leaf, Tensor)][:1]
    if not pictures:
        kinds = sorted({type(leaf).__name__ for leaf in _leaves(sample)})
        raise TypeError(f"there is no picture among the inputs, only {', '.join(kinds)}")
    return _replaced(sample, pictures[0], change(pictures[0]))


class Transform(nn.Module):
    """The base of second-generation transforms: override `transform(inpt, params)`.

    `make_params(flat_inputs)` may draw what all parts of a sample share.
    """

    def make_params(self, flat_inputs):
        return {}

    def transform(self, inpt, params):
        raise NotImplementedError

    def forward(self, *inputs):
        params = self.make_params(list(_leaves(inputs)))
        return change_picture(inputs, lambda picture: self.transform(picture, params))


def lifted(base, module):
    """A first-generation transform that finds its picture in a sample."""
    name = base.__name__
    apply = base.forward if issubclass(base, nn.Module) else base.__call__

    def call(self, *inputs):
        return change_picture(inputs, lambda picture: apply(self, picture))

    entry = "forward" if issubclass(base, nn.Module) else "__call__"
    return type(name, (base,), {entry: call, "__module__": module, "__doc__": base.__doc__})
