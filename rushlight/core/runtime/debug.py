"""What RUSHLIGHT_DEBUG prints, on standard error: an observer that watches from the start.

=====  ============================================================================
level  adds
=====  ============================================================================
1      why each plan ran (and what the compiler and `rushlight.compile` say)
2      the time of each plan
3      of each step: time, GFLOP/s, GB/s, its share of what this machine's peak allows
4      the trace of each new plan
5      files with the LLVM text of each kernel, as generated
6      files with the kernels' assembly
=====  ============================================================================

Levels 5 and 6 write into ``debug`` in the cache folder. A file's name and content depend on nothing
but the kernel's request, so the folders of two versions of the generators can be compared.
"""

from __future__ import annotations

import hashlib
import re
import sys
from typing import Any

from ..base.knobs import cache_folder
from .observe import Observer
from .work import ideal_seconds


class Debug(Observer):
    """Prints what `level` asks for after each run of a plan."""

    def __init__(self, level: int):
        self.level = level
        self.peaks: dict[str, float] = {}
        self.shown: set = set()      # structural keys whose trace, requests whose code was shown

    def plan_run(self, record, run) -> None:
        line = (f"rushlight: ran a {'known' if run.known else 'new'} plan of {len(record.names)} "
                f"records and {record.outputs} outputs because of {run.why}")
        lines = [line if self.level < 2 else f"{line}: {run.seconds * 1e3:.3f} ms"]
        if self.level >= 3:
            lines += [self._step(step, seconds) for step, seconds in zip(record.steps, run.steps)]
        if self.level >= 4 and self._is_new(record.key):
            lines.append(record.text)
        if self.level >= 5:
            lines += self._kernels(record.plan)
        print("\n".join(lines), file=sys.stderr)

    def _is_new(self, key) -> bool:
        known = key in self.shown
        self.shown.add(key)
        return not known

    def _step(self, step, seconds) -> str:
        if not self.peaks:
            from .peak import measured
            self.peaks = measured()
        speeds = [f"{amount / seconds / 1e9:8.4g} {unit}" if amount and seconds else " " * len(unit)
                  + " " * 9 for amount, unit in ((step.flops, "GFLOP/s"), (step.bytes, "GB/s"))]
        ideal = ideal_seconds(step.flops, step.bytes, self.peaks)
        share = f"{ideal / seconds:4.0%}" if ideal and seconds else "    "
        return f"    {seconds * 1e6:9.1f} us  {' '.join(speeds)} {share}  {step.name}"

    def _kernels(self, plan: Any) -> list:
        """Write the kernels of a native plan that were not written before; their files' names."""
        blueprint = getattr(plan, "blueprint", None)
        if blueprint is None:
            return []
        requests = [(step.generator, step.parameters) for stage in blueprint.stages
                    for step in stage.steps or ()]
        return [f"    {path}" for request in requests if self._is_new(request)
                for path in _write(*request, assembly=self.level >= 6)]


def _write(generator, parameters, assembly) -> list:
    from ..codegen.library import compile_text, generate, target, unpacked
    parameters = unpacked(parameters)
    request = repr((generator, parameters))
    folder = cache_folder() / "debug"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", generator) + "-" + hashlib.sha256(request.encode()).hexdigest()[:12]
    text = generate(generator, parameters)
    paths = [folder / f"{name}.ll"]
    paths[0].write_text(f"; {request}\n{text}", encoding="utf-8")
    if assembly:
        paths.append(folder / f"{name}.s")
        paths[1].write_text(f"# {request}\n{compile_text(text, target(), assembly=True)}",
                            encoding="utf-8")
    return paths
