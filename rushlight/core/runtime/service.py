"""The compiler as a process of its own, so that compiling never holds up the program's Python.

A described plan (`codegen.graph`) goes down a pipe to a child that fuses, plans and compiles it;
the blueprint and the kernels' machine code come back, before the first the thread pool's. The
child ignores Ctrl-C, ends when its pipe closes, and is started by the first plan that repeats.
Both ends run this module; messages are pickles with their length in front, and only this
program's own child sends them.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from .compiler import Kernel


class Broken(Exception):
    """The child could not be started, or is gone."""


class Service:
    """The parent's end: after ``send(graph)``, ``understand(receive())`` is (blueprint, code)."""

    def __init__(self):
        import subprocess
        from pathlib import Path
        if not sys.executable:
            raise Broken("there is no interpreter to start")
        root = str(Path(__file__).resolve().parents[3])
        code = (f"import sys; sys.path.insert(0, {root!r}); "
                "import rushlight; from rushlight.core.runtime.service import serve; serve()")
        try:
            self.child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE)
        except OSError as error:
            raise Broken(str(error)) from error
        self.greeted = False

    def send(self, graph) -> None:
        """Have one plan compiled; Broken where the child is gone."""
        text = pickle.dumps(graph, pickle.HIGHEST_PROTOCOL)
        try:
            _write(self.child.stdin, text)
        except OSError as error:
            raise Broken(str(error)) from error

    def receive(self) -> bytes:
        """Wait for the plan sent last: what `understand` reads; Broken where the child is gone."""
        if not self.greeted:
            from ..codegen import pool
            pool.receive(self._next())
            self.greeted = True
        return self._next()

    def _next(self) -> bytes:
        try:
            reply = _read(self.child.stdout)
        except OSError as error:
            raise Broken(str(error)) from error
        if reply is None:
            raise Broken(f"the compiler's process ended ({self.child.poll()})")
        return reply

    @staticmethod
    def understand(reply: bytes) -> tuple[Any, dict]:
        """What was compiled, or the error the compiler raised. May import."""
        made, binaries, error = pickle.loads(reply)
        if error is not None:
            raise RuntimeError(error)
        return made, binaries

    def close(self) -> None:
        """End the child."""
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        self.child.terminate()
        self.child.wait()


def _write(stream, text: bytes) -> None:
    stream.write(len(text).to_bytes(8, "little") + text)
    stream.flush()


def _read(stream) -> bytes | None:
    head = stream.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "little")
    text = stream.read(size)
    return text if len(text) == size else None


def _packed(step, packed: dict, binaries: dict):
    """A step with its parameters pickled; its machine code, where the parent has it not yet."""
    from ..codegen.library import binary, generate
    request = (step.generator, step.parameters)
    if request not in packed:
        packed[request] = pickle.dumps(step.parameters, pickle.HIGHEST_PROTOCOL)
        binaries[step.generator, packed[request]] = binary(
            repr(request), lambda: generate(*request))
    return step._replace(parameters=packed[request])


def serve() -> None:
    """The child's end: answer until the pipe closes."""
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing but replies may reach the parent.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from ..codegen import pool
    packed: dict = {}       # request -> what stands for it in the parent (see `unpacked`)
    try:
        _write(answers, pool.compiled())
        while (text := _read(sys.stdin.buffer)) is not None:
            try:
                reply = (*_made(pickle.loads(text), packed), None)
            except Exception as error:     # the parent shows it; the child goes on
                reply = (None, {}, f"{type(error).__name__}: {error}")
            _write(answers, pickle.dumps(reply, pickle.HIGHEST_PROTOCOL))
    except OSError:                        # the program has ended meanwhile
        os._exit(0)


def _made(asked, packed: dict) -> tuple[Any, dict]:
    """(blueprint, machine code) of a described plan; (None, machine code) of a Kernel."""
    from ..codegen.library import binary, generate
    from ..codegen.planning import blueprint
    binaries: dict = {}
    if isinstance(asked, Kernel):
        request = tuple(asked)
        binaries[request] = binary(repr(request), lambda: generate(*request))
        return None, binaries
    made = blueprint(asked)
    for stage in made.stages:
        if stage.steps is not None:
            stage.steps[:] = [_packed(step, packed, binaries) for step in stage.steps]
    made.kept[:] = [k._replace(step=_packed(k.step, packed, binaries)) for k in made.kept]
    return made, binaries
