"""Pictures: datasets, transforms, models, operators and utilities, at torchvision's public paths.

Example:
    >>> from rushlight.vision import datasets, transforms
    >>> data = datasets.FakeData(size=4, image_size=(3, 8, 8), transform=transforms.ToTensor())
    >>> data[0][0].shape
    torch.Size([3, 8, 8])
"""

from rushlight.vision._suggest import lazy_attributes

__version__ = "0.28.0"

_image_backend = "PIL"


def set_image_backend(backend):
    """Choose the package that loads pictures; Pillow ("PIL") is the only one here.

    Raises:
        ValueError: the name is neither "PIL" nor "accimage".
        NotImplementedError: "accimage".
    """
    if backend == "accimage":
        raise NotImplementedError("the accimage backend is not implemented; use 'PIL'")
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")


def get_image_backend():
    """The name of the package that loads pictures: "PIL"."""
    return _image_backend


__getattr__, __dir__ = lazy_attributes(
    __name__,
    {name: name for name in ("datasets", "io", "models", "ops", "transforms", "utils")},
    missing=("tv_tensors", "extension"),
)
