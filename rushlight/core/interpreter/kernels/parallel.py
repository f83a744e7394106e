"""Run independent pieces of a kernel on a few threads.

NumPy releases the interpreter lock inside copies and matrix products, so a handful of large pieces
run side by side.  How the work is cut never depends on the number of threads: callers split by the
problem's shape and combine partial results in a fixed order, so the result's bits stay the same.
"""

import os

_pool = None
_workers = 1


def set_workers(count):
    """Use `count` threads for kernels; 1 runs everything in the calling thread."""
    global _pool, _workers
    if count == _workers:
        return
    if _pool is not None:
        _pool.shutdown(wait=False)
    _pool = None
    _workers = max(1, int(count))


def get_workers():
    """Return how many threads kernels may use."""
    return _workers


def run_pieces(function, pieces):
    """Return `[function(*piece) for piece in pieces]`, possibly computed on several threads."""
    global _pool
    if _workers == 1 or len(pieces) == 1:
        return [function(*piece) for piece in pieces]
    if _pool is None:
        from concurrent.futures import ThreadPoolExecutor

        _pool = ThreadPoolExecutor(_workers, thread_name_prefix="rushlight-kernel")
    return list(_pool.map(lambda piece: function(*piece), pieces))


def _forget_pool_after_fork():
    global _pool
    _pool = None  # the parent's threads do not exist in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool_after_fork)
