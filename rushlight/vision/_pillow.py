"""Pillow, imported only when a picture is really there."""

import sys


def pillow_image():
    """The module `PIL.Image`, or an ImportError that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "this needs Pillow, which is not installed: pip install pillow"
        ) from error
    return Image


def is_pillow_image(value):
    """Whether `value` is a PIL image, without importing Pillow to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)
