"""The cfg files that come with the package, by name."""

from pathlib import Path

__all__ = ["cfg_path", "coco_names", "shipped_cfgs"]

_FOLDER = Path(__file__).with_name("cfg_files")


def shipped_cfgs():
    """The names of the networks that come with the package, such as "yolov3-tiny"."""
    return sorted(path.stem for path in _FOLDER.glob("*.cfg"))


def cfg_path(name):
    """The path of a cfg file that comes with the package.

    Raises ValueError, listing the names, for another one.
    """
    if name not in shipped_cfgs():
        raise ValueError(f"no cfg named {name!r}; there are {', '.join(shipped_cfgs())}")
    return str(_FOLDER / f"{name}.cfg")


def coco_names():
    """The names of COCO's 80 classes, in the order of Darknet's coco.names."""
    return (_FOLDER / "coco.names").read_text(encoding="utf-8").split("\n")[:-1]
