"""fast: the golden model in compiled loops, for speed; bit-identical to
``ndrite.emulator.golden.core`` (tested).

Compiled by numba. Where numba cannot be imported, or NDRITE_PLAIN is 1, the NumPy model
computes the same bits, several times slower, and one warning says so. Maps are (C, n,
H, W): the values of a column or channel are contiguous over all samples.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import os
import sys
import warnings
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import PlainWarning
from ndrite.emulator.golden.array import FLOAT32_EXACT
from ndrite.emulator.golden.fast_rows import Rows, constant
from ndrite.emulator.golden.noise import key_schedule
from ndrite.emulator.golden.threads import in_threads, left_over, usable
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes
from ndrite.emulator.spec.noise import DOMAIN_READ
from ndrite.emulator.spec.program import Program

CHUNK = 448
"""Largest number of samples computed together; as many as ``fast_loops.CHUNK`` patches."""
PATCHES = 1 << 14
"""Largest number of patches of a matrix product computed together, unless a
single sample has more."""


@cache
def installed() -> bool:
    """Return whether numba is installed and NDRITE_PLAIN does not forbid it. Imports
    nothing. Warns PlainWarning when the answer is no."""
    if os.environ.get("NDRITE_PLAIN") == "1":
        reason = "NDRITE_PLAIN is 1"
    elif importlib.util.find_spec("numba") is None:
        reason = "numba is not installed"
    else:
        return True
    _warn(reason)
    return False


@cache
def available() -> bool:
    """Return whether the compiled loops can be used. Imports numba to find out, which
    takes about a second the first time.

    Warns PlainWarning, with the versions of numba and NumPy, when that import fails.
    """
    if not installed():
        return False
    try:
        import numba  # noqa: F401
    # Importing numba raises ImportError if NumPy is too new for it, and other
    # exceptions if llvmlite is broken.
    except Exception as error:
        numba_version = importlib.metadata.version("numba")
        cause = " ".join(str(error).split()).rstrip(".")
        _warn(f"numba {numba_version} cannot be imported beside NumPy {np.__version__} ({cause})")
        return False
    return True


def _warn(reason: str) -> None:
    text = f"{reason}: the plain model computes the same bits, several times slower"
    warnings.warn(text, PlainWarning, stacklevel=4)


def loaded() -> bool:
    """Return whether the compiled loops are already imported, so that using them costs
    no start-up time."""
    return "ndrite.emulator.golden.fast_loops" in sys.modules


def suits(program: Program) -> bool:
    """Return whether every column sum of the program, also with the weights of any
    virtual chip, stays below 2^24. The compiled loops require this."""
    largest = 0 if program.variation is None else program.variation.code_max
    for layer in program.layers:
        weight_max = largest or int(np.abs(layer.weights.astype(np.int64)).max())
        if layer.tile_rows(program.rows) * INPUT_MAX * weight_max >= FLOAT32_EXACT:
            return False
    return True


def work(program: Program) -> int:
    """Return the number of multiplications that one sample takes, over all time
    steps of a sequence."""
    calls = sum(p.layer.weights.size * p.patches.positions for p in program.products)
    return program.calls * calls


class FastCore:
    """The golden model in loops compiled by numba, for one program that ``suits`` accepts."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.weights = [np.array(layer.weights.T, order="C") for layer in program.layers]
        """Copies of the weights of every product, int16 (M, K); call ``refresh`` after
        writing into them."""
        positions_max = max((p.patches.positions for p in program.products), default=1)
        self._batch = max(1, min(CHUNK, PATCHES // positions_max))
        self._work = work(program)
        self._rows: Rows | None = None
        self._words = np.empty(0, np.uint32)

    def refresh(self) -> None:
        """Pack the weights again into the words that the compiled loops read. Call it
        after changing ``weights``."""
        if self._rows is not None:
            self._rows = self._laid_out(self._rows)

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        stream: int = 0,
        threads: int | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return the program's outputs, int32 (n, outputs), which do not depend on the
        number of threads. Parameters as for ``Core.infer``.

        ``Core.infer`` checks them. ``threads``: at most so many, None: all that
        the process may use.
        """
        rows = self._rows = self._rows or self._laid_out()
        schedule = key_schedule(seed, DOMAIN_READ, stream)
        out = np.empty((len(x), rows.outputs), np.int32)
        work_each, threads_max = self._work, usable(threads)

        def part(low: int, high: int, beside: int = 1) -> None:
            for start in range(low, high, self._batch):
                end = min(start + self._batch, high)
                numbers = schedule, (first_index + start) % (1 << 32), noise
                out[start:end] = self._samples(rows, x[start:end], numbers, beside)

        left = left_over(len(x), work_each, threads_max)
        in_threads(part, len(x) - left, work_each, threads_max)
        if left:
            part(len(x) - left, len(x), threads_max)
        return out

    def _samples(
        self, rows: Rows, x: Codes, numbers: tuple[npt.NDArray[np.uint32], int, bool], threads: int
    ) -> Codes | npt.NDArray[np.int32]:
        """Return the outputs (n, M) of input codes (n, inputs). The patches of each
        matrix product are divided among ``threads`` threads."""
        n, calls, steps = len(x), self.program.calls, len(rows.rows)
        maps, sums = np.empty(rows.size * n, np.uint8), np.empty(rows.sums * n, np.int32)
        fixed = (rows.rows, rows.ints, rows.codes, self._words, constant(x), maps, sums, *numbers)
        if threads == 1:
            self._walk(*fixed, 0, calls, 0, steps, 0, -1)
            return rows.answers(maps, sums, n)
        for call, step in itertools.product(range(calls), range(steps)):
            patches, each = rows.patches(step)
            run = partial(self._walk, *fixed, call, call + 1, step, step + 1)
            in_threads(run, n * patches, each, threads)
        return rows.answers(maps, sums, n)

    def _laid_out(self, rows: Rows | None = None) -> Rows:
        """Pack the present weights into words and return the program as instruction
        rows; these are built only if ``rows`` is None."""
        from ndrite.emulator.golden.fast_loops import walk
        from ndrite.emulator.golden.fast_sums import pack, words_of

        self._walk = walk
        shapes = [(p.patches.groups, p.layer.tile_rows(self.program.rows)) for p in self.program.products]
        words = [
            pack(weights, *shape, words_of(weights.shape, *shape))
            for weights, shape in zip(self.weights, shapes, strict=True)
        ]
        self._words = np.concatenate([np.zeros(0, np.uint32), *words])
        return rows or Rows(self.program, [0, *itertools.accumulate(part.size for part in words)])
