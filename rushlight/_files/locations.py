"""Where a storage lives: its tag in a file, and what `map_location` makes of the tag."""

import rushlight

_registry = []


def register_package(priority, tagger, deserializer):
    """Teach `save` and `load` about another kind of device; lower priorities are asked first.

    `tagger(storage)` returns the location's name or None, `deserializer(storage, location)` the
    storage on that device or None.
    """
    _registry.append((priority, tagger, deserializer))
    _registry.sort(key=lambda entry: entry[0])


def _cpu_tag(storage):
    return "cpu" if storage.device.type == "cpu" else None


def _cpu_restore(storage, location):
    return storage if location == "cpu" else None


def _cuda_tag(storage):
    return str(storage.device) if storage.device.type == "cuda" else None


def _cuda_is_available():
    cuda = getattr(rushlight, "cuda", None)
    return cuda is not None and cuda.is_available()


def validate_cuda_device(location):
    """Return the index of the CUDA device `location` names; RuntimeError if it is not there."""
    name, _, number = str(location).partition(":")
    if name != "cuda" or not (number == "" or number.isdigit()):
        raise RuntimeError(f"Invalid device string: '{location}'")
    index = int(number or 0)
    if not _cuda_is_available():
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            "False. If you are running on a CPU-only machine, please use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU."
        )
    count = rushlight.cuda.device_count()
    if index >= count:
        raise RuntimeError(
            f"Attempting to deserialize object on CUDA device {index} but "
            f"torch.cuda.device_count() is {count}. Please use torch.load with map_location to "
            "map your storages to an existing device."
        )
    return index


def _cuda_restore(storage, location):
    if location.startswith("cuda"):
        index = validate_cuda_device(location)
        return storage.cuda(index)
    return None


register_package(10, _cpu_tag, _cpu_restore)
register_package(20, _cuda_tag, _cuda_restore)


def location_tag(storage):
    """The name under which the device of `storage` is written to a file."""
    for _, tagger, _ in _registry:
        location = tagger(storage)
        if location:
            return location
    raise RuntimeError(
        f"don't know how to determine data location of {type(storage).__module__}."
        f"{type(storage).__name__}"
    )


def default_restore_location(storage, location):
    """The storage on the device that `location` names; RuntimeError if there is no such device."""
    for _, _, deserializer in _registry:
        restored = deserializer(storage, location)
        if restored is not None:
            return restored
    raise RuntimeError(
        f"don't know how to restore data location of {type(storage).__module__}."
        f"{type(storage).__name__} (tagged with {location})"
    )


def restorer(map_location):
    """The function of (storage, location) that `map_location` stands for."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(
            storage, map_location.get(location, location)
        )
    if isinstance(map_location, (str, bytes)):
        target = map_location.decode() if isinstance(map_location, bytes) else map_location
        return lambda storage, location: default_restore_location(storage, target)
    if isinstance(map_location, rushlight.device):
        return lambda storage, location: default_restore_location(storage, str(map_location))
    if not callable(map_location):
        raise TypeError(
            "map_location must be a str, a torch.device, a dict or a function, not "
            + type(map_location).__name__
        )

    def restore(storage, location):
        restored = map_location(storage, location)
        return default_restore_location(storage, location) if restored is None else restored

    return restore
