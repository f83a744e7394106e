"""Noise in the form of a data set, for trying programs out."""

import rushlight
from rushlight.vision.datasets.vision import VisionDataset


class FakeData(VisionDataset):
    """`size` pictures of normal noise with random classes, the same for the same index.

    Args:
        image_size: (channels, height, width).
        random_offset: added to the index to seed each picture.

    Example:
        >>> FakeData(size=2, image_size=(3, 8, 8))[0]
        (<PIL.Image.Image image mode=RGB size=8x8 at ...>, 6)
    """

    def __init__(
        self,
        size=1000,
        image_size=(3, 224, 224),
        num_classes=10,
        transform=None,
        target_transform=None,
        random_offset=0,
    ):
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        from rushlight.vision.transforms.functional import to_pil_image

        outer_state = rushlight.get_rng_state()
        rushlight.manual_seed(index + self.random_offset)
        picture = rushlight.randn(*self.image_size)
        target = rushlight.randint(0, self.num_classes, size=(1,), dtype=rushlight.long)[0].item()
        rushlight.set_rng_state(outer_state)
        return self._transformed(to_pil_image(picture), target)

    def __len__(self):
        return self.size
