"""``torch.functional``: functions that are also in the package itself."""

import rushlight as _rushlight

_NAMES = ["atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes",
          "broadcast_tensors", "cartesian_prod", "cdist", "chain_matmul", "einsum", "meshgrid",
          "norm", "split", "tensordot", "unique", "unique_consecutive", "unravel_index"]

globals().update({_name: getattr(_rushlight, _name) for _name in _NAMES})
