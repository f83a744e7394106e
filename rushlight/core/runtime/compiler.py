"""When a plan is compiled: in the background, after it has been seen twice.

The first run of a plan is the interpreter's, and so is every run until its native form is ready: a
step never waits for a compile. RUSHLIGHT_JIT=0 switches this off; RUSHLIGHT_JIT=sync compiles at
once.
"""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
from collections import deque
from time import perf_counter
from typing import Any, NamedTuple
from weakref import ref

from ..base.forks import PAUSE, import_in_bites, whole
from ..base.knobs import knob, number

MODE = knob("RUSHLIGHT_JIT")
if MODE not in ("0", "1", "sync"):
    raise ValueError(f"RUSHLIGHT_JIT must be 0, 1 or sync, got {MODE!r}")
DEBUG = number("RUSHLIGHT_DEBUG")
WAITING = 64                # plans that may wait; others ask again when they are next run
TURN = 0.0002               # seconds between switches of Python threads while compiling
WORTH_KEEPING = 1 << 14     # bytes of a leaf whose packed form may be kept
IDLE = 20.0                 # seconds without work after which the compiler's process ends

RUNTIME = tuple(f"rushlight.core.{name}"
                for name in ("codegen.library", "codegen.planning", "runtime.native"))

statistics = {"compiled": 0, "refused": 0, "seconds": 0.0}
_unfinished = [0]           # requests accepted and not yet done


class Slot:
    """A plan's native form: `plan` once it is there; `state` new, waiting, ready or refused."""

    __slots__ = ("plan", "state", "why", "interpreter", "seen")

    def __init__(self, interpreter):
        self.interpreter = interpreter
        self.plan: Any = None
        self.state = "new"
        self.why: str | None = None
        self.seen: Any = None      # weak references to the large leaves of an earlier run

    def look(self, values) -> None:
        """Remember the leaves of this run."""
        self.seen = []
        for value in values:
            large = value is not None and type(value.meta) is not tuple and \
                value.meta.nbytes >= WORTH_KEEPING
            self.seen.append(ref(value) if large else None)
            if large and getattr(value, "forms", None) is None:
                value.forms = {}               # None again when the elements change

    def steady(self, values) -> frozenset:
        """Which leaves are the very values of an earlier run, as weights are in inference."""
        seen, self.seen = self.seen or (), ()
        return frozenset([k for k, (before, now) in enumerate(zip(seen, values))
                          if before is not None and before() is now and now.forms is not None])


class Kernel(NamedTuple):
    """A kernel that is asked for by itself: its slot's `plan` is its loaded code."""

    generator: str
    parameters: tuple


_queue: deque = deque()
_wake = threading.Condition()
_thread: list = []
_service: list = []         # the compiler's process
_ending = threading.Event()
_off = [False]


def compile_at_once(wanted: bool) -> None:
    """Compile plans before their first run from now on, or as RUSHLIGHT_JIT says."""
    global MODE
    if MODE != "0":
        MODE = "sync" if wanted else knob("RUSHLIGHT_JIT")


def compile_nothing_more() -> None:
    """Ask for no new native plans in this process; those that are there go on being used.

    For the short-lived helpers of a program, where a compiler's process each would cost more than
    it saves: the workers of a data loader.
    """
    _off[0] = MODE != "sync"


def compile_now(slot: Slot, graph, service=None) -> None:
    """Compile a described plan, or a Kernel, into its slot; what cannot be compiled is refused."""
    with whole:
        from .service import Broken
    started = perf_counter()
    try:
        made = None
        if service is not None:
            try:
                service.send(graph)
                # What runs native plans, while the compiler's process makes the first one.
                import_in_bites(RUNTIME, _ending.wait)
                reply = service.receive()
                with whole:
                    from ..codegen.library import admit
                    made, binaries = service.understand(reply)
                    admit(binaries)
            except (Broken, RuntimeError, pickle.PicklingError, AttributeError,
                    TypeError) as error:
                if _ending.is_set():
                    return
                _complain(f"compiles in its own process: {error}")
        with whole:
            slot.plan = _loaded(slot, graph, made)
        slot.state = "ready"
        statistics["compiled"] += 1
    except Exception as error:      # the interpreter goes on; the reason is kept and shown
        if MODE == "sync" and DEBUG >= 1:
            raise
        slot.state, slot.why = "refused", f"{type(error).__name__}: {error}"
        statistics["refused"] += 1
    seconds = perf_counter() - started
    statistics["seconds"] += seconds
    if DEBUG:
        what = graph.generator if isinstance(graph, Kernel) else f"a plan of {graph.count} records"
        told = slot.why or (f"{len(slot.plan.names)} stages" if slot.interpreter else "loaded")
        _complain(f"compiled {what} in {seconds * 1e3:.0f} ms: {told}")


def _loaded(slot: Slot, graph, made) -> Any:
    """What was asked for, from the blueprint `made` and kernels admitted, or compiled here."""
    from ..codegen.pool import pool
    pool()
    if isinstance(graph, Kernel):
        from ..codegen.library import kernel
        return kernel(*graph)
    from ..codegen.planning import blueprint
    from .native import NativePlan
    return NativePlan(made or blueprint(graph), slot.interpreter)


def _complain(text: str) -> None:
    if DEBUG:
        print(f"rushlight: {text}", file=sys.stderr)


def request(slot: Slot, part, live, leaves, values) -> None:
    """Ask for the native form of a plan; `part` is its trace, numbered and not yet run.

    values: what the leaves are in this run (None: no value), where `leaves` are stand-ins.
    """
    if len(_queue) >= WAITING or _off[0]:
        return
    from ..codegen.graph import Unsuitable, describe
    try:
        graph = describe(part, live, leaves)
    except Unsuitable as error:
        slot.state, slot.why = "refused", str(error)
        statistics["refused"] += 1
        _complain(f"a plan of {len(part)} records stays with the interpreter: {error}")
        return
    graph.steady = slot.steady(values)
    _accept(slot, graph)


def request_kernel(slot: Slot, wanted: Kernel) -> None:
    """Ask for a kernel by itself."""
    if len(_queue) < WAITING and not _off[0]:
        _accept(slot, wanted)


def _accept(slot: Slot, graph) -> None:
    if MODE == "sync":
        compile_now(slot, graph)
        return
    slot.state = "waiting"
    with _wake:
        _queue.append((slot, graph))
        _unfinished[0] += 1
        if not _thread:
            _thread.append(threading.Thread(target=_work, name="rushlight-compiler", daemon=True))
            _thread[0].start()
        _wake.notify()


def _start() -> Any:
    """The compiler's process; None where it cannot be had: then this thread compiles.

    What holds the interpreter's lock is done in bites, lest one step of the program wait for all.
    """
    try:
        with whole:
            from ..codegen.image import can_place
            from .service import Service
        if _ending.wait(PAUSE):
            return None
        if not can_place():     # LLVM has to load what it compiles, here as well
            with whole:
                from ..codegen.library import open_llvm
            open_llvm()
        with whole:
            return Service()
    except Exception as error:      # whatever it is, it is shown, and met again if it matters
        _complain(f"compiles in its own process: {error}")
        return None


def _work() -> None:
    """The background thread: hands plans to the compiler's process and takes what it makes."""
    service: Any = None
    while True:
        with _wake:
            while not _queue and not _ending.is_set():
                if not _wake.wait(IDLE) and service is not None:
                    service.close()       # it comes back when it is needed
                    service = None
                    _service.clear()
            if _ending.is_set():
                break
            slot, graph = _queue.popleft()
        # While this thread has Python to do, the program's threads get their turns at once.
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, TURN))
        with whole:
            from .threads import lend_a_processor
        lend_a_processor(True)
        if service is None:
            service = _start()
            _service[:] = [service]
        if _ending.is_set():
            break
        compile_now(slot, graph, service)
        sys.setswitchinterval(before)
        if service is not None and service.child.poll() is not None:
            service = None
        with _wake:
            _unfinished[0] -= 1
            done = not _unfinished[0]
        if done:
            lend_a_processor(False)
        del slot, graph
    if service is not None:
        service.close()


def wait(timeout: float = 60.0) -> bool:
    """Wait until nothing is being compiled (for benchmarks and tests); False after `timeout` s."""
    from time import monotonic, sleep
    end = monotonic() + timeout
    while monotonic() < end:
        if not _unfinished[0]:
            return True
        sleep(0.002)
    return False


def _stop() -> None:
    # A program that ends does not wait for its compiler; what that has made is on disk. Where
    # LLVM is in this process, its own clean-up must not meet a running compile.
    _ending.set()
    with _wake:
        _queue.clear()
        _wake.notify()
    for service in list(_service):
        if service is not None:
            service.child.terminate()
    if _thread:
        _thread[0].join(10)


def _forked() -> None:
    global _wake
    _wake = threading.Condition()
    _thread.clear()
    _service.clear()
    for slot, _ in _queue:
        slot.state = "new"
    _queue.clear()
    _unfinished[0] = 0


atexit.register(_stop)
os.register_at_fork(after_in_child=_forked)
