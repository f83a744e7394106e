"""The labelled pictures that `--data` names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rushlight.cli.detect_train.configuration import GENERATED, TEST_SHARE, Configuration
from rushlight.cli.errors import CommandError
from rushlight.darknet.training.coco_format import read_coco_folder
from rushlight.darknet.training.darknet_format import read_darknet_data
from rushlight.darknet.training.generator import generated_data
from rushlight.darknet.training.labels import DataError, DetectionData
from rushlight.darknet.training.voc_format import read_voc_folder

Tell = Callable[[str], None]


def load_data(configuration: Configuration, size: tuple[int, int], tell: Tell) -> DetectionData:
    """Return the data set: generated at `size`, or read in the format that it turns out to have.

    A `.data` file is Darknet's; a folder with ImageSets/ is Pascal VOC's; one with annotation
    files in JSON is COCO's. Where there is no test part, every sixth picture is kept for it.
    Raises CommandError with one line for what is missing or malformed.
    """
    try:
        return _load(configuration, size, tell)
    except DataError as error:
        raise CommandError(f"--data: {error}") from None


def _load(configuration: Configuration, size: tuple[int, int], tell: Tell) -> DetectionData:
    if configuration.data == GENERATED:
        train, test = configuration.pictures, max(1, configuration.pictures // TEST_SHARE)
        tell(f"generating {train:,} + {test:,} labelled pictures")
        return generated_data(train, test, max(size), configuration.seed)
    path = Path(configuration.data)
    if path.is_file():
        data = read_darknet_data(path)
    elif (path / "ImageSets").is_dir():
        data = read_voc_folder(path)
    elif list(path.glob("annotations/*.json")) or list(path.glob("*.json")):
        data = read_coco_folder(path)
    else:
        raise CommandError(
            f"--data {path}: neither a .data file nor a folder in Pascal VOC's layout (ImageSets/) "
            "or COCO's (annotations/*.json)"
        )
    if not data.test:
        order = np.random.default_rng(configuration.seed).permutation(len(data.train)).tolist()
        if len(order) < 2:
            raise CommandError(f"--data {path}: one picture cannot be both learnt and tested")
        test = set(order[::6])
        tell(f"no test part in {path}: every 6th picture is kept for it")
        data.test = [one for place, one in enumerate(data.train) if place in test]
        data.train = [one for place, one in enumerate(data.train) if place not in test]
    if not sum(len(picture.boxes) for picture in data.train):
        raise CommandError(f"--data {path}: the pictures to train on have no boxes")
    return data
