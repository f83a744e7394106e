"""rushlight: PyTorch's programming model in Python you can read.

``import rushlight as torch`` and an ordinary PyTorch program runs. This file is the table of
contents: the core's names are here, the other modules (`nn`, `optim`, `utils`, ...) load when they
are first used.
"""

from math import e, inf, nan, pi
from typing import Any as _Any

from .core import ops as _ops  # registers every op  # noqa: F401
from .core.base.device import device
from .core.base.dtypes import (
    ALIASES as _ALIASES,
)
from .core.base.dtypes import (
    DTYPES as _DTYPES,
)
from .core.base.dtypes import (
    dtype,
    finfo,
    get_default_dtype,
    iinfo,
    set_default_dtype,
)
from .core.base.layouts import LAYOUTS as _LAYOUTS
from .core.base.layouts import MEMORY_FORMATS as _MEMORY_FORMATS
from .core.base.layouts import layout, memory_format
from .core.base.promotion import can_cast, promote_types
from .core.base.shapes import Size
from .core.tensor import install as _install
from .core.tensor.construction import (
    arange,
    empty,
    empty_like,
    empty_strided,
    full,
    full_like,
    ones,
    ones_like,
    scalar_tensor,
    zeros,
    zeros_like,
)
from .core.tensor.exchange import from_dlpack, from_numpy, frombuffer
from .core.tensor.from_data import as_tensor, asarray, tensor
from .core.tensor.generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .core.tensor.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.tensor.storage import UntypedStorage
from .core.tensor.tensor import Tensor

__version__ = "0.1.0"

newaxis = None

globals().update(_DTYPES)
globals().update(_ALIASES)
globals().update(_LAYOUTS)
globals().update(_MEMORY_FORMATS)
globals().update(_install.TORCH)

_LAZY = ("amp", "autograd", "backends", "cli", "compat", "cuda", "darknet", "distributions", "fft",
         "func", "jit", "linalg", "multiprocessing", "nn", "optim", "random", "serialization",
         "special", "types", "utils", "version", "vision", "_utils", "distributed", "onnx",
         "profiler", "testing", "hub", "overrides", "return_types", "storage", "functional",
         "signal", "masked", "mps", "xpu", "library", "fx", "quantization", "export", "sparse",
         "compiler", "_C", "_dynamo", "cpu", "mtia", "accelerator", "futures", "package",
         "torch_version", "backends", "safetensors")
_LAZY_NAMES = {"save": "serialization", "load": "serialization", "TypedStorage": "storage",
               "set_printoptions": "core.tensor.printing", "GradScaler": "amp",
               "bilinear": "nn.functional", "pairwise_distance": "nn.functional",
               "cosine_similarity": "nn.functional", "vmap": "func",
               "explain": "_explain", "compile": "_compile", "autocast": "amp", **dict.fromkeys((
                   "clear_autocast_cache", "get_autocast_cpu_dtype", "get_autocast_dtype",
                   "get_autocast_gpu_dtype", "is_autocast_cache_enabled",
                   "is_autocast_cpu_enabled",
                   "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_dtype",
                   "set_autocast_enabled"), "amp.autocast_mode")}


def __getattr__(name: str) -> _Any:
    from importlib import import_module
    if name in _LAZY:
        try:
            return import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    if name in _LAZY_NAMES:
        found = getattr(import_module("." + _LAZY_NAMES[name], __name__), name)
        globals()[name] = found
        return found
    found = _install.torch_name(name)
    if found is not None:
        globals()[name] = found
        return found
    raise AttributeError(f"module 'torch' has no attribute '{name}' (rushlight does not have it "
                         "yet; see docs/differences-from-pytorch.md)")
