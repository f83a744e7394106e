"""A generator of labelled pictures, so that a detector can be trained on a fresh machine."""

from rushlight.darknet.training.generator.figures import NAMES
from rushlight.darknet.training.generator.scenes import generated_data, generated_picture
