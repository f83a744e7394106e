"""``torch.distributed``: not in this build. Programs that ask first are told so."""


def is_available():
    """False: there is no distributed backend."""
    return False


def is_initialized():
    """False: no process group can be made."""
    return False


def is_torchelastic_launched():
    """False."""
    return False


def is_nccl_available():
    """False."""
    return False


def is_gloo_available():
    """False."""
    return False


def is_mpi_available():
    """False."""
    return False


def _missing(name):
    def function(*args, **kwargs):
        raise NotImplementedError(f"torch.distributed.{name} is not implemented: rushlight runs in "
                                  "one process; guard it with torch.distributed.is_available()")
    function.__name__ = name
    function.__doc__ = "Raises NotImplementedError."
    return function


for _name in ("init_process_group", "destroy_process_group", "get_rank", "get_world_size",
              "barrier", "all_reduce", "all_gather", "broadcast", "reduce", "scatter", "gather",
              "send", "recv", "new_group", "all_gather_object", "broadcast_object_list"):
    globals()[_name] = _missing(_name)
