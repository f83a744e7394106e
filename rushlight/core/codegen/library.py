"""Machine code: compiled once, kept in memory and on disk, found by what it was made from.

A kernel is asked for as (generator, parameters): a function of this room by "module.function" and
a tuple whose ``repr`` says all that the generated text depends on. The same request gives the
same code, within a process and, through the disk cache, between processes.

Note [disk cache]: one file a kernel, named by the hash of the request, the generators' source,
LLVM's version and the CPU. A file starts with the hash of its content, so a torn or foreign one is
ignored and rebuilt; it is written beside its place and moved there, so concurrent processes are
safe.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pickle
import threading
from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from time import perf_counter, sleep

from ..base.forks import PAUSE, import_in_bites, whole
from ..base.knobs import cache_folder, knob
from .emit import Module
from .image import Placed, can_place, linked
from .llvm_types import SCHEDULED
from .target import Target, host, initialize, limited, target_machine, tiles_permitted

ATTRIBUTES = 'attributes #0 = {{ nounwind uwtable "prefer-vector-width"="{bits}" ' \
             '"min-legal-vector-width"="{bits}" "no-trapping-math"="true" }}\n'
KEPT = 4096                   # kernels kept in memory
_engine: list = []
_loaded: OrderedDict = OrderedDict()
statistics = {"compiled": 0, "from disk": 0, "seconds": 0.0}


# Kernels with matrix instructions.
TILED = ("gemm_tiles.", "gemm_split.", "conv_tiles.", "conv_weight_tiles.",
         "speed.tile_")


@functools.cache
def target() -> Target:
    """The target of this process: the host, or less of it where RUSHLIGHT_CPU says so."""
    level = knob("RUSHLIGHT_CPU")
    return limited(level) if level else host()


def has_tiles() -> bool:
    """Whether the CPU has matrix instructions for bfloat16 that this process may use."""
    return target().has("amx-bf16") and tiles_permitted()


def generate(generator: str, parameters: tuple, wanted: Target | None = None) -> str:
    """The LLVM text of a kernel; its entry is the function named "kernel"."""
    module = Module()
    name, function = generator.split(".")
    getattr(import_module(f".{name}", __package__), function)(module, wanted or target(),
                                                             *parameters)
    return str(module)


def compile_text(text: str, wanted: Target, assembly=False):
    """Optimised machine code (an object file's bytes), or its assembly.

    `Module.scheduled` is set by kernels whose loops need none of LLVM's loop optimisers: they
    compile several times faster.
    """
    from llvmlite import binding
    with whole:
        machine = target_machine(wanted)
        header = f'target triple = "{wanted.triple}"\n'
        module = binding.parse_assembly(
            header + text + ATTRIBUTES.format(bits=wanted.vector_bits))
        module.data_layout = str(machine.target_data)
        module.verify()
        options = binding.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = True
        options.slp_vectorization = False
        passes = binding.create_pass_builder(machine, options)
        if text.startswith(SCHEDULED):
            _few_passes(binding).run(module, passes)
        else:
            passes.getModulePassManager().run(module, passes)
        return machine.emit_assembly(module) if assembly else machine.emit_object(module)


def _few_passes(binding):
    """Registers instead of stack slots, folding and common subexpressions: a fifth of -O3's time.

    For kernels whose loops and vectors are written out as they shall be; code generation still
    hoists out of loops and reduces addresses.
    """
    passes = binding.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_loop_rotate_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_dead_code_elimination_pass()
    return passes


def open_llvm() -> None:
    """Load LLVM, in a background thread, so that other Python threads run meanwhile.

    Python's own loading of its library, by the import of llvmlite, holds the interpreter's lock for
    tens of milliseconds; a foreign call of ``dlopen`` does not, and the import then finds it
    loaded. The rest of that import is done in bites, lest one step of the program wait for all.
    """
    if _engine:
        return
    with whole:
        from importlib.util import find_spec
        spec = find_spec("llvmlite")
        loader = getattr(ctypes.CDLL(None), "dlopen", None) if os.name == "posix" else None
    sleep(PAUSE)
    if spec is not None and loader is not None and spec.submodule_search_locations:
        for path in Path(spec.submodule_search_locations[0], "binding").glob("libllvmlite*"):
            with whole:
                loader(os.fsencode(path), ctypes.c_int(2))      # RTLD_NOW
    import_in_bites(("llvmlite.ir", "importlib.resources", "llvmlite.binding"))
    with whole:
        engine()


class Code:
    """Loaded machine code: `address` of the function "kernel". Kept while it is referenced."""

    __slots__ = ("address", "name", "_tracker")

    def __init__(self, address, name, tracker):
        self.address, self.name, self._tracker = address, name, tracker


def load(binary: bytes, name: str) -> Code:
    """Make an object file's function "kernel" callable."""
    if name.startswith(TILED):      # perhaps compiled by another process
        tiles_permitted()
    tracker = link(binary, ("kernel",))
    return Code(tracker["kernel"], name, tracker)


def engine():
    """LLVM's linker of machine code for this CPU; held under `whole`."""
    from llvmlite import binding
    if not _engine:
        initialize()
        _engine.append(immortal(binding.create_lljit_compiler(
            target_machine(host()), use_jit_link=False, suppress_errors=False)))
    return _engine[0]


def link(binary: bytes, symbols: tuple):
    """Load an object file; gives the addresses of `symbols` by name, valid while it is held."""
    found = linked(binary) if can_place() else None
    if found is not None:
        return Placed(found)
    from llvmlite import binding
    with whole:
        builder = binding.JITLibraryBuilder().add_object_img(binary).add_current_process()
        for symbol in symbols:
            builder.export_symbol(symbol)
        return builder.link(engine(), f"unit{next(_numbers)}")


def immortal(item):
    """Keep an object for good: native threads may run its code while the interpreter shuts down."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    return item


def _counter():
    number = 0
    while True:
        number += 1
        yield number


_numbers = _counter()


@functools.cache
def fingerprint() -> str:
    """A hash of the generators' source and of what compiles them."""
    import llvmlite
    from llvmlite import binding
    digest = hashlib.sha256(repr((llvmlite.__version__, binding.llvm_version_info)).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    digest.update(target().text.encode())
    return digest.hexdigest()


def unpacked(parameters: tuple | bytes) -> tuple:
    """A request's parameters, which come from the compiler's process as a pickle.

    Where the code has come with them they are but a key, and their classes need no import.
    """
    return pickle.loads(parameters) if isinstance(parameters, bytes) else parameters


def kernel(generator: str, parameters: tuple | bytes) -> Code:
    """The code of a kernel: from memory, from disk, or compiled now."""
    request = (generator, parameters)
    with whole:
        found = _loaded.get(request)
        if found is not None:
            _loaded.move_to_end(request)
            return found
    asked = generator, unpacked(parameters)
    made = load(binary(repr(asked), lambda: generate(*asked)), generator)
    _keep(request, made)
    return made


def admit(binaries: dict) -> None:
    """Load machine code that another process made, by request, so that `kernel` finds it."""
    for request, code in binaries.items():
        with whole:
            known = request in _loaded
        if not known:
            _keep(request, load(code, request[0]))


def _keep(request, made: Code) -> None:
    with whole:
        _loaded[request] = made
        while len(_loaded) > KEPT:
            _loaded.popitem(last=False)


def binary(request: str, text) -> bytes:
    """Machine code for a request, from disk or compiled from what ``text()`` gives."""
    digest = hashlib.sha256(f"{fingerprint()} {request}".encode()).hexdigest()
    path = cache_folder() / "kernels" / digest[:2] / digest[2:]
    found = read_checked(path)
    if found is not None:
        statistics["from disk"] += 1
        return found
    started = perf_counter()
    made = compile_text(text(), target())
    statistics["compiled"] += 1
    statistics["seconds"] += perf_counter() - started
    write_checked(path, made)
    return made


def read_checked(path: Path) -> bytes | None:
    """The content of a cache file; None where it is missing, torn or foreign."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[32:]
    return content if hashlib.sha256(content).digest() == data[:32] else None


def write_checked(path: Path, content: bytes) -> None:
    """Write a cache file so that nobody ever reads half of it; a full disk is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        part.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(part, path)
    except OSError:
        return
