"""Calling a module with other parameters than its own."""

__all__ = ["functional_call"]


def functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """Call `module` with the given tensors in place of its parameters and buffers.

    `parameters_and_buffers` is a dict by dotted name. A parameter that is registered under several
    names is replaced under all of them with `tie_weights`. With `strict` the names must be all of
    the module's. The module is as before afterwards, whatever happens.
    """
    named = dict(module.named_parameters(remove_duplicate=False))
    named.update(module.named_buffers(remove_duplicate=False))
    given = dict(parameters_and_buffers)
    if strict:
        missing = sorted(name for name in named if name not in given)
        unexpected = sorted(name for name in given if name not in named)
        if missing or unexpected:
            report = []
            if unexpected:
                report.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
            if missing:
                report.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
            raise RuntimeError(
                f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(report)
            )
    if tie_weights:
        given = _with_ties(named, given)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)

    replaced = []  # (the owner's dict, the name, what was there)
    try:
        for path, tensor in given.items():
            owner_path, _, name = path.rpartition(".")
            try:
                owner = module.get_submodule(owner_path)
            except AttributeError:
                raise KeyError(f"{path} is not a valid parameter or buffer") from None
            for table in (owner._parameters, owner._buffers):
                if name in table:
                    replaced.append((table, name, table[name]))
                    table[name] = tensor
                    break
            else:
                before = owner.__dict__.get(name, _absent)
                replaced.append((owner.__dict__, name, before))
                owner.__dict__[name] = tensor
        return module(*args, **(kwargs or {}))
    finally:
        for table, name, before in reversed(replaced):
            if before is _absent:
                table.pop(name, None)
            else:
                table[name] = before


_absent = object()


def _with_ties(named, given):
    """Add to `given` the other names of the tensors that it replaces."""
    names_of = {}
    for name, tensor in named.items():
        names_of.setdefault(id(tensor), []).append(name)
    result = dict(given)
    for names in names_of.values():
        values = {id(given[name]): given[name] for name in names if name in given}
        if len(values) > 1:
            tied = sorted(name for name in names if name in given)
            raise ValueError(
                f"functional_call got multiple values for keys {tied}, which are tied. Consider "
                "using tie_weights=False"
            )
        for value in values.values():
            for name in names:
                result[name] = value
    return result
