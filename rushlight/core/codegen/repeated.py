"""Elements that are repeated over a vector's lanes and multiplied with several vectors.

Note [folded loads]: with AVX-512 a multiply-add can itself read an element from memory and repeat
it. That is one instruction less for each element, and as many loads more as there are further
vectors; done for every second row of a register tile it is best. It shows where another program
runs on the core's second thread: 7 % of a product of 512 x 512, 4 % of a GPT's step. LLVM would
load each element once and share it. It takes addresses with several names (`Builder.renamed`) for
different ones, and makes the load a part of the multiply-add where that has no index register.
"""

from __future__ import annotations

from .emit import Builder, Value
from .llvm_types import natural_alignment

FOLDED = (2, 3)         # numbers of vectors for which loads are folded


class Repeated:
    """Elements from `address` on, each for a row of a register tile with so many vectors.

    Made where the address moves, in the innermost loop. kind, compute: LLVM's type in memory,
    and that of the lanes.
    """

    def __init__(self, b: Builder, address: Value, kind: str, lanes: int, vectors: int,
                 compute: str | None = None):
        self.b, self.kind, self.lanes = b, kind, lanes
        self.compute = compute or kind
        self.names = [address]
        if vectors in FOLDED and self.compute == kind and lanes * natural_alignment(kind) == 64:
            self.names = [b.renamed(address) for _ in range(vectors)]

    def add_products(self, number: int, offset, values, totals) -> None:
        """Add the element `offset` further, times each of `values`, to the tile's row `number`."""
        b = self.b
        names = self.names if number % 2 else self.names[:1]
        found = [b.splat(b.cast(b.load(self.kind, b.element(name, offset, self.kind)),
                                self.compute), self.lanes) for name in names]
        for v, (value, total) in enumerate(zip(values, totals)):
            total.set(b.fma(found[v % len(found)], value, total.get()))
