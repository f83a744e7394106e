"""``torch.return_types``: the named tuples that functions such as `max` and `sort` return."""

from .core.ops.result_types import RETURN_TYPES

globals().update(RETURN_TYPES)
__all__ = sorted(RETURN_TYPES)
