"""The names of ImageNet's 1000 classes, in the order of the published classifiers."""

from pathlib import Path


def class_names():
    """A list of 1000 names, read from the file beside this module."""
    text = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8")
    return text.splitlines()
