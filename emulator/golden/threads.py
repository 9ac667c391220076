"""threads: divides a batch of samples among processors, and limits BLAS to one thread
for small matrices."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

WORTH = 10_000_000
"""Number of multiplications from which on an additional thread saves time."""


@cache
def count() -> int:
    """Return the number of threads to use: OMP_NUM_THREADS if it is set, else the
    number of processors that this process may use."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if setting.isdecimal() and int(setting) > 0:
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable(threads: int | None) -> int:
    """Return the number of threads to use when the caller allows at most ``threads``;
    None stands for no limit."""
    return count() if threads is None else min(threads, count())


def in_threads(part: Callable[[int, int], None], samples: int, each: int, threads: int) -> None:
    """Call ``part(low, high)`` in several threads, each for a range of samples;
    together the ranges cover 0..samples. ``part`` must release the interpreter lock.

    ``each``: multiplications of one sample; ``threads``: at most so many (``usable``).
    """
    parts = min(threads, samples, samples * each // WORTH)
    if parts < 1:
        part(0, samples)
        return
    edges = [samples * i // parts for i in range(parts + 1)]
    list(_pool().map(part, edges[:-1], edges[1:]))


def left_over(samples: int, each: int, threads: int) -> int:
    """Return how many samples at the end of a batch do not divide evenly among the
    threads and are better computed one by one, each by all threads together.

    One of three samples on two threads would keep one thread waiting for half of the time.
    """
    left = samples % threads
    return left if each >= WORTH and 2 * left <= threads else 0


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context manager within which BLAS uses a single thread."""
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count(), "golden")


@cache
def _blas() -> ThreadpoolController:
    # The controller limits only libraries that are loaded when it is created. SciPy has
    # its own BLAS, so SciPy is imported first.
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork: the child process needs a new pool.
    os.register_at_fork(after_in_child=_pool.cache_clear)
