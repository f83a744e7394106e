"""Finding models by name, and the table of weights that were published for them.

Nothing is ever downloaded. Asking for published weights loads the file if it already lies in the
checkpoint folder, and otherwise raises an error that says which file it is and how to load it.
"""

import functools
import importlib
import os
import warnings
from enum import Enum

CHECKPOINT_FOLDER = os.path.join("~", ".cache", "torch", "hub", "checkpoints")
_PUBLISHED_AT = "https://download.pytorch.org/models/"

_builders = {}
_weights_of = {}


class Weights:
    """One set of published weights: its file, how its pictures were prepared, and what is known."""

    def __init__(self, url, transforms, meta):
        self.url = url
        self.transforms = transforms
        self.meta = meta

    def __repr__(self):
        return f"Weights(url={self.url!r})"


class WeightsEnum(Enum):
    """The sets of weights published for one model. `DEFAULT` is the best of them."""

    @classmethod
    def verify(cls, obj):
        """The member that `obj` is or names; None stays None.

        Raises:
            TypeError: something else. KeyError: an unknown name.
        """
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        raise TypeError(
            f"Invalid Weight class provided; expected {cls.__name__} but received "
            f"{obj.__class__.__name__}."
        )

    @property
    def url(self):
        return self.value.url

    @property
    def transforms(self):
        return self.value.transforms

    @property
    def meta(self):
        return self.value.meta

    def get_state_dict(self, progress=True, check_hash=False):
        """The tensors by name, from the file in the checkpoint folder.

        Raises:
            NotImplementedError: the file is not there; downloading is not implemented.
        """
        name = self.url.rsplit("/", 1)[-1]
        path = os.path.join(os.path.expanduser(CHECKPOINT_FOLDER), name)
        if not os.path.exists(path):
            raise NotImplementedError(
                f"downloading published weights is not implemented. {self} is the file {name} "
                f"({self.url}): put it into {CHECKPOINT_FOLDER}, or load it from where it is:\n"
                "    model = ...(weights=None)\n"
                f"    model.load_state_dict(torch.load('{name}', weights_only=True))"
            )
        import rushlight

        return rushlight.load(path, map_location="cpu", weights_only=True)

    def __repr__(self):
        return f"{type(self).__name__}.{self.name}"


def weights_enum(name, files, crop_size=224, resize_size=None, module=None, **preset):
    """A `WeightsEnum` from `{member: file}`; the last member is the default.

    A file may come as (file, overrides of the preparation).
    """
    members = {}
    for member, entry in files.items():
        file, overrides = entry if isinstance(entry, tuple) else (entry, {})
        options = {"crop_size": crop_size, **preset, **overrides}
        if "resize_size" not in options and resize_size is not None:
            options["resize_size"] = resize_size
        members[member] = Weights(_PUBLISHED_AT + file, _Preparation(options), _Meta())
    members["DEFAULT"] = members[
        "IMAGENET1K_V1" if "IMAGENET1K_FEATURES" in members else list(files)[-1]
    ]
    return WeightsEnum(name, members, module=module)


class _Preparation:
    """Calling it makes the transform that the weights were evaluated with."""

    def __init__(self, options):
        self.keywords = options

    def __call__(self, **changes):
        from rushlight.vision.transforms._presets import ImageClassification

        return ImageClassification(**{**self.keywords, **changes})


class _Meta(dict):
    """What is known of a set of weights; the names of ImageNet's classes are read when asked."""

    def __missing__(self, key):
        if key != "categories":
            raise KeyError(key)
        from rushlight.vision.models._imagenet import class_names

        self["categories"] = class_names()
        return self["categories"]


def register_model(weights=None):
    """Make `build(**kwargs)` a model of the zoo: `weights=`, `progress=`, old `pretrained=`.

    The first positional argument is `weights` too, as in programs older than keyword-only ones.
    """

    def decorate(build):
        @functools.wraps(build)
        def builder(*args, weights=None, progress=True, **kwargs):
            if args:
                warnings.warn(
                    "Using 'weights' as positional parameter(s) is deprecated since 0.13 and may "
                    "be removed in the future. Please use keyword parameter(s) instead.",
                    stacklevel=2,
                )
                weights = args[0]
            if "pretrained" in kwargs:
                warnings.warn(
                    "The parameter 'pretrained' is deprecated since 0.13 and may be removed in "
                    "the future, please use 'weights' instead.",
                    stacklevel=2,
                )
                weights = kwargs.pop("pretrained")
            return _build(build, _published(build, weights), kwargs)

        _builders[build.__name__] = builder
        _weights_of[build.__name__] = weights_class
        return builder

    weights_class = weights
    return decorate


def _published(build, weights):
    """The member of the model's weights that is meant; True and False are the old `pretrained`."""
    table = _weights_of[build.__name__]
    if weights is None or weights is False:
        return None
    if table is None:
        raise NotImplementedError(
            f"no weights are published for {build.__name__}: build it with weights=None and load "
            "your own with model.load_state_dict(torch.load(PATH))"
        )
    return table.DEFAULT if weights is True else table.verify(weights)


def _build(build, weights, kwargs):
    if weights is None:
        return build(**kwargs)
    classes = 1000
    if kwargs.setdefault("num_classes", classes) != classes:
        raise ValueError(
            f"The parameter 'num_classes' expected value {classes} but got "
            f"{kwargs['num_classes']} instead."
        )
    state = weights.get_state_dict(check_hash=True)  # before building: it may not be there
    prepare = getattr(build, "with_published_weights", None)
    model = build(**(prepare(kwargs) if prepare else kwargs))
    rename = getattr(build, "rename_published", None)
    model.load_state_dict(rename(state) if rename else state)
    finish = getattr(build, "finish_published", None)
    return finish(model, kwargs) if finish else model


def _all_builders():
    from rushlight.vision import models

    for home in models.HOMES:
        importlib.import_module(f"rushlight.vision.models.{home}")
    return _builders


def list_models(module=None, include=None, exclude=None):
    """Names of the models, sorted.

    Args:
        module: a submodule of `models` to look in; all of them by default.
        include, exclude: shell patterns such as "res*", one or a list.
    """
    import fnmatch

    names = [
        name
        for name, builder in _all_builders().items()
        if module is None or _in_module(builder, module)
    ]

    def matching(patterns):
        patterns = [patterns] if isinstance(patterns, str) else patterns
        return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}

    chosen = matching(include) if include else set(names)
    return sorted(chosen - matching(exclude) if exclude else chosen)


def _in_module(builder, module):
    if module.__name__ == "rushlight.vision.models":
        return True
    return builder.__module__ == module.__name__


def get_model_builder(name):
    """The function that builds the model of that name; ValueError if there is none."""
    builder = _all_builders().get(name.lower())
    if builder is None:
        raise ValueError(f"Unknown model {name}")
    return builder


def get_model(name, **config):
    """The model of that name, built with `config`.

    Example:
        >>> get_model("squeezenet1_1", num_classes=10).num_classes
        10
    """
    return get_model_builder(name)(**config)


def get_model_weights(name):
    """The `WeightsEnum` of a model, given by name or by its builder."""
    builder_name = name if isinstance(name, str) else name.__name__
    get_model_builder(builder_name)
    return _weights_of[builder_name.lower()]


def get_weight(name):
    """The member named "Enum.MEMBER", such as "ResNet50_Weights.IMAGENET1K_V2"."""
    enum_name, dot, member = name.partition(".")
    if not dot:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    _all_builders()
    for table in _weights_of.values():
        if table is not None and table.__name__ == enum_name:
            return table[member]
    raise ValueError(f"The weight enum '{enum_name}' for the specific method couldn't be retrieved")
