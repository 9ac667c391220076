"""fast: the golden model in compiled loops, bit-identical to ``emulator.golden.core`` (tested), for speed.

Needs the extra ``fast``; without it the NumPy model does the same work, slower.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import deque
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.golden.array import FLOAT32_EXACT
from emulator.golden.fast_steps import Codes, Draw, FastProduct, FastTable, channel_first, gated, join, pooled
from emulator.golden.noise import key_schedule
from emulator.golden.threads import in_threads, left_over, one_blas_thread, usable
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.evaluate import At, run
from emulator.spec.noise import DOMAIN_READ
from emulator.spec.program import Program
from emulator.spec.steps import Gate, Pool, Product, Table, of_kind

CHUNK = 448
"""Samples worked on together at most, as ``fast_loops.CHUNK`` patches are."""
ROWS = 1 << 14
"""Patches of one product worked on together, where one sample does not have more."""


@cache
def available() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def loaded() -> bool:
    """Whether the compiled loops are there already, so that using them costs nothing."""
    return "emulator.golden.fast_loops" in sys.modules


def suits(program: Program, largest: int | None = None) -> bool:
    """Whether every column sum is exact in float32, which the compiled loops rely on.

    ``largest``: the largest weight; None: the program's own, or that of its virtual chips where it has any.
    """
    if largest is None and program.variation is not None:
        largest = program.variation.code_max
    for layer in program.layers:
        most = largest or int(np.abs(layer.weights.astype(np.int64)).max())
        if layer.tile_rows(program.rows) * INPUT_MAX * most >= FLOAT32_EXACT:
            return False
    return True


def work(program: Program) -> int:
    """Multiplications of one sample."""
    calls = sum(p.layer.weights.size * p.patches.positions for p in program.products)
    return program.calls * calls


class FastCore:
    """The golden model of one program, laid out for the compiled loops.

    ``largest`` is the largest weight that may be put into ``weights``; None: that of the program.
    Raises ``ValueError`` when ``suits(program)`` does not hold.
    """

    def __init__(self, program: Program, *, largest: int | None = None) -> None:
        if not suits(program, largest):
            raise ValueError(f"column sums of {program.name!r} are too long for float32; use Core")
        self.program = program
        self.products = [FastProduct(program, step) for step in program.products]
        self.tables = [FastTable(program, step) for step in of_kind(Table, program.steps)]
        self.weights = [product.given for product in self.products]
        """float32 (M, K) of every product; call ``refresh`` after writing into them."""
        most = max((p.patches.positions for p in program.products), default=1)
        self._batch = max(1, min(CHUNK, ROWS // most))
        self._work = work(program)

    def refresh(self) -> None:
        """Multiply with what ``weights`` hold now."""
        for product in self.products:
            product.refresh()

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
        """Outputs int32 (n, outputs), the same on any number of threads; parameters as ``Core.infer``.

        ``Core.infer`` checks them. ``threads``: at most so many, None: all that the process may use.
        """
        schedule = key_schedule(seed, DOMAIN_READ, stream)
        out = np.empty((len(x), self.program.outputs), np.int32)
        each, most = self._work, usable(threads)

        def part(low: int, high: int, beside: int = 1) -> None:
            for start in range(low, high, self._batch):
                end = min(start + self._batch, high)
                out[start:end] = self._samples(x[start:end], schedule, noise, first_index + start, beside)

        left = left_over(len(x), each, most)
        in_threads(part, len(x) - left, each, most)
        if left:
            with one_blas_thread():
                part(len(x) - left, len(x), most)
        return out

    def _samples(
        self, x: Codes, schedule: npt.NDArray[np.uint32], noise: bool, first: int, threads: int
    ) -> npt.NDArray[Any]:
        program, n = self.program, len(x)
        calls = x.reshape(n, program.calls, -1)
        inputs = (channel_first(calls[:, call], program.shape) for call in range(program.calls))
        states = [np.full((s.shape[0], n, *s.shape[1:]), s.start, np.uint8) for s in program.states]
        arithmetic = _Loops(self, schedule, noise, first, threads)
        maps = deque(run(arithmetic, program.steps, program.states, inputs, states), maxlen=1).pop()
        return np.asarray(np.moveaxis(maps[-1], 1, 0).reshape(n, -1))


class _Loops(NamedTuple):
    """The compiled loops as an arithmetic, of samples from number ``first`` on, over maps (C, n, H, W)."""

    core: FastCore
    schedule: npt.NDArray[np.uint32]
    noise: bool
    first: int
    threads: int

    def product(self, at: At, step: Product, maps: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        program, positions = self.core.program, step.patches.positions
        # A patch has number ((first + sample) * calls + call) * positions + position.
        draw = Draw(
            schedule=self.schedule,
            noise=self.noise,
            number=program.first_product + at.product,
            first=(self.first * program.calls + at.call) * positions & 0xFFFFFFFF,
            stride=program.calls * positions,
        )
        return self.core.products[at.product].run(maps, draw, self.threads)

    def pool(self, at: At, step: Pool, maps: list[Codes]) -> Codes:
        return pooled(step, join([maps[s] for s in step.sources]))

    def table(self, at: At, step: Table, maps: list[Codes]) -> Codes:
        return self.core.tables[at.table].run(join([maps[s] for s in step.sources]))

    def gate(self, at: At, step: Gate, maps: list[Codes]) -> Codes:
        return gated(step, maps)
