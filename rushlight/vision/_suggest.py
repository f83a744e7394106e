"""Attribute errors that name what the reader probably meant."""


def missing_attribute(module_name, name, candidates):
    """The AttributeError for `module_name.name`, with the nearest existing name, if any."""
    public = [candidate for candidate in candidates if not candidate.startswith("_")]
    by_lower_case = {candidate.lower(): candidate for candidate in public}
    nearest = by_lower_case.get(name.lower().replace("_", ""), by_lower_case.get(name.lower()))
    if nearest is None and not name.startswith("_"):
        import difflib

        close = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.75)
        nearest = by_lower_case[close[0]] if close else None
    text = f"module '{module_name}' has no attribute '{name}'"
    if nearest is not None and nearest != name:
        text += f". Did you mean '{nearest}'?"
    return AttributeError(text)


def lazy_attributes(module_name, table, missing=()):
    """`(__getattr__, __dir__)` of a package whose names load their module on first use.

    `table` maps a public name to the submodule that defines it; a name that maps to itself is that
    submodule. `missing` lists names that torchvision has and this package does not: asking for one
    raises NotImplementedError naming it.
    """

    def load(name):
        import importlib
        import sys

        home = table.get(name)
        if home is None:
            if name in missing:
                raise NotImplementedError(f"{module_name}.{name} is not implemented yet")
            raise missing_attribute(module_name, name, table)
        module = importlib.import_module(f"{module_name}.{home}")
        value = module if home == name else getattr(module, name)
        setattr(sys.modules[module_name], name, value)
        return value

    def names():
        import sys

        return sorted(set(table) | set(vars(sys.modules[module_name])))

    return load, names
