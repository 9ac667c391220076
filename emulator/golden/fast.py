"""fast: the golden model in compiled loops, bit-identical to ``ndrite.emulator.golden.core`` (tested), for
speed.

Compiled by numba. Where numba cannot be imported, or NDRITE_PLAIN is 1, the NumPy model computes the same
bits, several times slower, and one warning says so. Maps are (C, n, H, W): the values of a column or channel
are contiguous over all samples.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
import sys
import warnings
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import PlainWarning
from ndrite.emulator.golden.array import FLOAT32_EXACT
from ndrite.emulator.golden.neuron import neuron
from ndrite.emulator.golden.noise import key_schedule
from ndrite.emulator.golden.steps import table
from ndrite.emulator.golden.threads import in_threads, left_over, one_blas_thread, usable
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, Codes
from ndrite.emulator.spec.evaluate import At, PerKind, last, run
from ndrite.emulator.spec.flow import filled, of_kind
from ndrite.emulator.spec.noise import DOMAIN_READ
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Gate, Pool, Product, Table

Maps = list[npt.NDArray[Any]]

CHUNK = 448
"""Samples worked on together at most, as ``fast_loops.CHUNK`` patches are."""
ROWS = 1 << 14
"""Patches of one product worked on together, where one sample does not have more."""
NO_CODES, NO_SUMS, NO_FACTORS = np.empty((0, 0), np.uint8), np.empty((0, 0), np.int32), np.empty(0, np.int64)


@cache
def installed() -> bool:
    """Whether numba is installed and wanted. Imports nothing. Warns PlainWarning when the answer is no."""
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
    """Whether the compiled loops can be used. Imports numba, which takes about a second the first time.

    Warns PlainWarning, with the versions of numba and NumPy, when that import fails.
    """
    if not installed():
        return False
    try:
        import numba  # noqa: F401
    except Exception as error:  # numba raises ImportError for a NumPy too new, others for a broken llvmlite
        numba_version = importlib.metadata.version("numba")
        cause = " ".join(str(error).split()).rstrip(".")
        _warn(f"numba {numba_version} cannot be imported beside NumPy {np.__version__} ({cause})")
        return False
    return True


def _warn(reason: str) -> None:
    text = f"{reason}: the plain model computes the same bits, several times slower"
    warnings.warn(text, PlainWarning, stacklevel=4)


def loaded() -> bool:
    """Whether the compiled loops are imported already, so that using them costs no start-up time."""
    return "ndrite.emulator.golden.fast_loops" in sys.modules


def suits(program: Program) -> bool:
    """Whether every column sum, of virtual chips too, is exact in float32, which the compiled loops rely
    on."""
    largest = 0 if program.variation is None else program.variation.code_max
    for layer in program.layers:
        weight_max = largest or int(np.abs(layer.weights.astype(np.int64)).max())
        if layer.tile_rows(program.rows) * INPUT_MAX * weight_max >= FLOAT32_EXACT:
            return False
    return True


def work(program: Program) -> int:
    """Multiplications of one sample."""
    calls = sum(p.layer.weights.size * p.patches.positions for p in program.products)
    return program.calls * calls


class FastCore:
    """The golden model of one program that ``suits``, laid out for the compiled loops."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.products = [FastProduct(program, i) for i in range(len(program.products))]
        self.answers = [_answers(program, step) for step in of_kind(Table, program.steps)]
        self.weights = [product.given for product in self.products]
        """int16 (M, K) of every product; call ``refresh`` after writing into them."""
        positions_max = max((p.patches.positions for p in program.products), default=1)
        self._batch = max(1, min(CHUNK, ROWS // positions_max))
        self._work = work(program)

    def refresh(self) -> None:
        """Lay the weights out again after ``weights`` has changed."""
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
        work_each, threads_max = self._work, usable(threads)

        def part(low: int, high: int, beside: int = 1) -> None:
            for start in range(low, high, self._batch):
                end = min(start + self._batch, high)
                loops = _Loops(self, schedule, noise, first_index + start, beside)
                out[start:end] = loops.samples(x[start:end])

        left = left_over(len(x), work_each, threads_max)
        in_threads(part, len(x) - left, work_each, threads_max)
        if left:
            with one_blas_thread():
                part(len(x) - left, len(x), threads_max)
        return out


class FastProduct:
    """A product laid out for the compiled loops. ``given`` int16 (M, K) may be written; ``refresh`` then
    has it laid out again."""

    def __init__(self, program: Program, number: int) -> None:
        step = program.products[number]
        layer, p = step.layer, step.patches
        self.step, self.stride = step, program.calls * p.positions
        self._tile_rows = layer.tile_rows(program.rows)
        shifts = (layer.shift, layer.vshift, layer.sigma_out, layer.var_cell, step.fires, step.skip_shift)
        sizes = (layer.inputs, layer.outputs, layer.dac_bits, layer.readout == "analog", layer.adc_bits)
        of_program = (program.first_product + number, self.stride, self._tile_rows)
        self._layer = np.array([*sizes, *shifts, *of_program], np.int64)
        self.given = np.ascontiguousarray(layer.weights.T)
        self._words: npt.NDArray[np.uint32] | None = None
        gain = np.zeros(layer.outputs, np.uint16) if step.skip_gain is None else step.skip_gain
        columns = [layer.bias, layer.gain, layer.offset, layer.scale, layer.curve, gain]
        self._columns = np.stack([column.astype(np.int64) for column in columns])
        # Answers of every curve to every voltage code from V_MIN on, uint8 (curves, 4096).
        every = dataclasses.replace(layer, curve=np.arange(len(program.curve_base), dtype=np.uint16))
        v = np.arange(V_MIN, V_MAX + 1)[:, None]
        values = neuron(v, every, program.curve_base, program.curve_slope) if step.fires else NO_CODES
        self._values = np.ascontiguousarray(values.T)
        self._where = _where(p, step.border)

    def refresh(self) -> None:
        """Have ``given`` laid out again by the next run."""
        self._words = None

    def words(self) -> npt.NDArray[np.uint32]:
        """``given`` as ``fast_loops.product`` reads it."""
        from ndrite.emulator.golden.fast_sums import PANEL, pack

        words = self._words
        if words is None:
            (m, k), groups, rows = self.given.shape, self.step.patches.groups, self._tile_rows
            pairs = sum((min(rows, k - begin) + 1) // 2 for begin in range(0, k, rows))
            words = np.zeros(groups * pairs * -(-(m // groups) // PANEL) * PANEL, np.uint32)
            pack(self.given, groups, rows, words)
            self._words = words
        return words

    def run(self, maps: Maps, first: int, loops: _Loops) -> npt.NDArray[Any]:
        """Compute the product's map (codes, or sums int32). In the read noise, patch p of sample i is number
        first + i * stride + p."""
        from ndrite.emulator.golden.fast_loops import product

        step, patches = self.step, self.step.patches
        x = join([maps[s] for s in step.sources])
        n, positions, m = x.shape[1], patches.positions, step.layer.outputs
        (rows, columns), (g, h) = patches.grid, step.block
        skip = NO_CODES
        if step.skip is not None:
            skip = maps[step.skip]
            if step.block != (1, 1):
                # Order within a group: block position, then channel.
                parts = skip.reshape(patches.groups, -1, n, rows, g, columns, h)
                parts = parts.transpose(0, 4, 6, 1, 2, 3, 5)
                skip = np.ascontiguousarray(parts)
            skip = skip.reshape(m, n * positions)
        out = np.empty((m, n * positions), np.uint8 if step.fires else np.int32)
        codes, sums = (out, NO_SUMS) if step.fires else (NO_CODES, out)
        fixed = (x, self._where, self._layer, self.words(), self._columns, skip, self._values)

        def part(low: int, high: int) -> None:
            product(*fixed, loops.schedule, first & 0xFFFFFFFF, loops.noise, low, high, codes, sums)

        if loops.threads > 1:
            in_threads(part, n * positions, step.layer.weights.size, loops.threads)
        else:
            part(0, n * positions)
        if step.block == (1, 1):
            return out.reshape(m, n, rows, columns)
        blocks = out.reshape(patches.groups, g, h, -1, n, rows, columns).transpose(0, 3, 4, 5, 1, 6, 2)
        return np.ascontiguousarray(blocks).reshape(-1, n, rows * g, columns * h)


@dataclasses.dataclass(frozen=True)
class _Loops(PerKind):
    """The compiled loops as an arithmetic for samples numbered from ``first``."""

    core: FastCore
    schedule: npt.NDArray[np.uint32]
    noise: bool
    first: int
    threads: int

    def samples(self, x: Codes) -> npt.NDArray[Any]:
        """Outputs (n, M) of codes (n, inputs)."""
        program, n = self.core.program, len(x)
        calls = x.reshape(n, program.calls, -1)
        inputs = (channel_first(calls[:, call], program.shape) for call in range(program.calls))
        states = [np.full((s.shape[0], n, *s.shape[1:]), s.start, np.uint8) for s in program.states]
        maps = last(run(self, program.steps, program.states, inputs, states))
        return np.asarray(maps[-1].swapaxes(0, 1).reshape(n, -1))

    def product(self, at: At, step: Product, maps: Maps) -> npt.NDArray[Any]:
        fast_product = self.core.products[at.nth]
        return fast_product.run(
            maps, self.first * fast_product.stride + at.call * step.patches.positions, self
        )

    def pool(self, at: At, step: Pool, maps: Maps) -> Codes:
        from ndrite.emulator.golden.fast_maps import pool

        x, p = join([maps[s] for s in step.sources]), step.patches
        out = np.empty((p.shape[0], x.shape[1], *p.grid), np.uint8)
        mul = NO_FACTORS if step.mul is None else step.mul.astype(np.int64)
        pool(x, _where(p, step.border), step.of == "average", mul, step.pool_shift, out)
        return filled(out, step.block)

    def table(self, at: At, step: Table, maps: Maps) -> Codes:
        from ndrite.emulator.golden.fast_maps import look_up

        x = join([maps[s] for s in step.sources])
        out = np.empty((len(step.channel), *x.shape[1:]), np.uint8)
        answers = self.core.answers[at.nth]
        look_up(x.reshape(len(x), -1), step.channel, answers, out.reshape(len(out), -1))
        return out

    def gate(self, at: At, step: Gate, maps: Maps) -> Codes:
        from ndrite.emulator.golden.fast_maps import add_term, close_gate

        first = maps[step.terms[0].a]
        total, out = np.zeros(first.size, np.int64), np.empty(first.shape, np.uint8)
        for term in step.terms:
            second = NO_CODES if term.b is None else maps[term.b]
            add_term(maps[term.a].reshape(-1), second.reshape(-1), term.a_zero, term.b_zero, term.gain, total)
        close_gate(total, step.gate_shift, step.zero, out.reshape(-1))
        return out


def _where(p: Patches, border: int) -> npt.NDArray[np.int64]:
    """Patch parameters in the order of the loops' arguments."""
    numbers = [*p.shape, *p.kernel, *p.stride, *p.dilation, *p.padding[:2], *p.grid, p.groups, border]
    return np.array(numbers, np.int64)


def _answers(program: Program, step: Table) -> Codes:
    """Output of every element of a table for every input code, uint8 (E, 256)."""
    codes = np.arange(256, dtype=np.uint8)[:, None, None, None]
    channels = np.broadcast_to(codes, (256, int(step.channel.max()) + 1, 1, 1))
    answers = table(step, channels, program.curve_base, program.curve_slope)
    return np.ascontiguousarray(answers[:, :, 0, 0].T)


def channel_first(x: Codes, shape: Shape) -> Codes:
    """Maps (C, n, H, W) of samples (n, C * H * W)."""
    from ndrite.emulator.golden.fast_maps import turn

    if len(x) == 1 or shape[1:] != (1, 1):
        return np.ascontiguousarray(x.reshape(len(x), *shape).swapaxes(0, 1))
    out = np.empty((shape[0], len(x)), np.uint8)
    turn(np.ascontiguousarray(x), out)
    return out.reshape(shape[0], len(x), 1, 1)


def join(maps: list[Codes]) -> Codes:
    """Join several maps as one step reads them (see ``ndrite.emulator.spec.flow.join``), in the loops' axis
    order."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) > 1:
        maps = [np.moveaxis(x, 1, 3).reshape(-1, x.shape[1], 1, 1) for x in maps]
    # Joined maps of one sample or one row may come in another order of memory.
    return np.ascontiguousarray(np.concatenate(maps))
