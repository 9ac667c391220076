"""fast: the golden model in compiled loops, bit-identical to ``emulator.golden.core`` (tested), for speed.

Needs the extra ``fast``; without it the NumPy model does the same work, slower.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.array import FLOAT32_EXACT
from emulator.golden.neuron import neuron
from emulator.golden.noise import SIGNED_TABLE, key_schedule
from emulator.golden.steps import table
from emulator.golden.threads import in_threads
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN
from emulator.spec.layer import Layer
from emulator.spec.noise import DOMAIN_READ
from emulator.spec.patches import Patches, Shape
from emulator.spec.program import Program
from emulator.spec.steps import Gate, Pool, Product, Table
from emulator.spec.variation import CODE_FRACTION, DOMAIN_CELL

FIELDS = (
    "inputs",
    "outputs",
    "dac_bits",
    "analog",
    "adc_bits",
    "shift",
    "vshift",
    "sigma_out",
    "var_cell",
)
"""A layer's integers, in the loops' order; whether its neurons fire and the skip's shift come last."""
CHUNK = 448
"""Samples worked on together at most, as ``fast_loops.CHUNK`` patches are."""
ROWS = 1 << 14
"""Patches of one product worked on together, where one sample does not have more."""
Codes = npt.NDArray[np.uint8]
NO_CODES = np.empty((0, 0), np.uint8)
NO_SUMS = np.empty((0, 0), np.int32)
NO_FACTORS = np.empty(0, np.int64)
TABLE = SIGNED_TABLE.astype(np.int32)


@cache
def available() -> bool:
    """Whether numba and what keeps BLAS to one thread are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "threadpoolctl"))


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
        self._held = {id(step): _Held(program, step) for step in program.products}
        self._answers = {
            id(step): _table_answers(program, step) for step in program.steps if isinstance(step, Table)
        }
        self.weights = [self._held[id(step)].given for step in program.products]
        """float32 (M, K) of every product; call ``refresh`` after writing into them."""
        most = max((p.patches.positions for p in program.products), default=1)
        self._batch = max(1, min(CHUNK, ROWS // most))

    def refresh(self) -> None:
        """Multiply with what ``weights`` hold now."""
        for held in self._held.values():
            held.refresh()

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        stream: int = 0,
    ) -> npt.NDArray[np.int32]:
        """Outputs int32 (n, outputs); parameters as ``Core.infer``, which checks them."""
        draw = _Draw(key_schedule(seed, DOMAIN_READ, stream), noise)
        out = np.empty((len(x), self.program.outputs), np.int32)

        def part(low: int, high: int) -> None:
            for start in range(low, high, self._batch):
                end = min(start + self._batch, high)
                out[start:end] = self._samples(x[start:end], draw, first_index + start)

        in_threads(part, len(x), work(self.program))
        return out

    def _samples(self, x: Codes, draw: _Draw, first: int) -> npt.NDArray[Any]:
        program, n = self.program, len(x)
        calls = x.reshape(n, program.calls, -1)
        states = [np.full((s.shape[0], n, *s.shape[1:]), s.start, np.uint8) for s in program.states]
        maps: list[npt.NDArray[Any]] = []
        for call in range(program.calls):
            maps = [_channel_first(calls[:, call], program.shape), *states]
            number = program.first_product
            for step in program.steps:
                if isinstance(step, Product):
                    maps.append(self._product(step, maps, draw, number, first, call))
                    number += 1
                elif isinstance(step, Gate):
                    maps.append(_gate(step, maps))
                elif isinstance(step, Pool):
                    maps.append(_pool(step, _join([maps[s] for s in step.sources])))
                else:
                    maps.append(_table(step, _join([maps[s] for s in step.sources]), self._answers[id(step)]))
            states = [maps[s.source] for s in program.states]
        return np.moveaxis(maps[-1], 1, 0).reshape(n, -1)

    def _product(
        self,
        step: Product,
        maps: list[npt.NDArray[Any]],
        draw: _Draw,
        number: int,
        first: int,
        call: int,
    ) -> npt.NDArray[Any]:
        """A product's map, (C, n, H, W): codes, or sums int32."""
        from emulator.golden.fast_loops import product

        held, patches, calls = self._held[id(step)], step.patches, self.program.calls
        x = _join([maps[s] for s in step.sources])
        n, positions, m = x.shape[1], patches.positions, step.layer.outputs
        (rows, columns), (g, h) = patches.grid, step.block
        skip = NO_CODES
        if step.skip is not None:
            skip = maps[step.skip]
            if step.block != (1, 1):
                # A column's place in the block comes before its channel.
                parts = skip.reshape(-1, n, rows, g, columns, h).transpose(3, 5, 0, 1, 2, 4)
                skip = np.ascontiguousarray(parts)
            skip = skip.reshape(m, n * positions)
        codes = np.empty((m, n * positions), np.uint8) if step.fires else NO_CODES
        sums = NO_SUMS if step.fires else np.empty((m, n * positions), np.int32)
        product(
            x,
            held.where,
            held.fields,
            held.weights,
            held.columns,
            skip,
            held.values,
            TABLE,
            draw.schedule,
            number,
            # The number of the first patch, and what a sample adds to it.
            (first * calls + call) * positions & 0xFFFFFFFF,
            calls * positions,
            draw.noise,
            self.program.rows,
            codes,
            sums,
        )
        out = codes if step.fires else sums
        if step.block == (1, 1):
            return out.reshape(m, n, rows, columns)
        blocks = out.reshape(g, h, -1, n, rows, columns).transpose(2, 3, 4, 0, 5, 1)
        return np.ascontiguousarray(blocks).reshape(-1, n, rows * g, columns * h)


@dataclass(frozen=True)
class _Draw:
    schedule: npt.NDArray[np.uint32]
    noise: bool


class _Held:
    """A product's numbers as the loops read them; ``given`` float32 (M, K) is read again by ``refresh``."""

    def __init__(self, program: Program, step: Product) -> None:
        layer, p = step.layer, step.patches
        self.fields = np.array([*_fields(layer), int(step.fires), step.skip_shift], np.int64)
        self.given = np.ascontiguousarray(layer.weights.T.astype(np.float32))
        self.weights = self.given.reshape(p.groups, -1)
        self._rows = layer.tile_rows(program.rows)
        self.refresh()
        gain = np.zeros(layer.outputs, np.uint16) if step.skip_gain is None else step.skip_gain
        columns = [layer.bias, layer.gain, layer.offset, layer.scale, layer.curve, gain]
        self.columns = np.stack([column.astype(np.int64) for column in columns])
        self.values = _curve_values(program, layer) if step.fires else NO_CODES
        self.where = _where(p, step.border)

    def refresh(self) -> None:
        """Lay ``given`` out as ``weights``, tile by tile; of one tile it is the same memory."""
        _m, k = self.given.shape
        if k <= self._rows:
            return
        by_group = self.given.reshape(len(self.weights), -1, k)
        tiles = [by_group[:, :, t : t + self._rows] for t in range(0, k, self._rows)]
        flat = [tile.reshape(len(self.weights), -1) for tile in tiles]
        self.weights = np.concatenate(flat, axis=1)


def _where(p: Patches, border: int) -> npt.NDArray[np.int64]:
    """Patches in the loops' order."""
    numbers = [*p.shape, *p.kernel, *p.stride, *p.dilation, *p.padding[:2], *p.grid, p.groups, border]
    return np.array(numbers, np.int64)


def _channel_first(x: Codes, shape: Shape) -> Codes:
    """Maps (C, n, H, W) of samples (n, C * H * W)."""
    from emulator.golden.fast_maps import turn

    if shape[1:] != (1, 1):
        return np.ascontiguousarray(np.moveaxis(x.reshape(len(x), *shape), 1, 0))
    out = np.empty((shape[0], len(x)), np.uint8)
    turn(x, out)
    return out.reshape(shape[0], len(x), 1, 1)


def _join(maps: list[Codes]) -> Codes:
    """Several maps as one step reads them (``emulator.spec.steps.joined``)."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) > 1:
        maps = [np.moveaxis(x, 1, 3).reshape(-1, x.shape[1], 1, 1) for x in maps]
    # Joined maps of one sample or one row may come in another order of memory.
    return np.ascontiguousarray(np.concatenate(maps))


def _pool(step: Pool, x: Codes) -> Codes:
    from emulator.golden.fast_maps import pool

    p = step.patches
    out = np.empty((p.shape[0], x.shape[1], *p.grid), np.uint8)
    mul = NO_FACTORS if step.mul is None else step.mul.astype(np.int64)
    pool(x, _where(p, step.border), step.of == "average", mul, step.pool_shift, out)
    return out


def _table(step: Table, x: Codes, answers: Codes) -> Codes:
    from emulator.golden.fast_maps import look_up

    out = np.empty((len(step.channel), *x.shape[1:]), np.uint8)
    look_up(x.reshape(len(x), -1), step.channel, answers, out.reshape(len(out), -1))
    return out


def _gate(step: Gate, maps: list[Codes]) -> Codes:
    from emulator.golden.fast_maps import add_term, close_gate

    first = maps[step.terms[0].a]
    total, out = np.zeros(first.size, np.int64), np.empty(first.shape, np.uint8)
    for term in step.terms:
        other = NO_CODES if term.b is None else maps[term.b]
        add_term(maps[term.a].reshape(-1), other.reshape(-1), term.a_zero, term.b_zero, term.gain, total)
    close_gate(total, step.gate_shift, step.zero, out.reshape(-1))
    return out


def _table_answers(program: Program, step: Table) -> Codes:
    """uint8 (E, 256): what every element answers to every code."""
    codes = np.arange(256, dtype=np.uint8)[:, None, None, None]
    channels = np.broadcast_to(codes, (256, int(step.channel.max()) + 1, 1, 1))
    answers = table(step, channels, program.curve_base, program.curve_slope)
    return np.ascontiguousarray(answers[:, :, 0, 0].T)


class FastChips:
    """Virtual chips of an program (with ``variation``), one at a time: ``virtual_chip`` and ``FastCore``."""

    def __init__(self, program: Program, seed: int) -> None:
        variation = program.variation
        assert variation is not None
        self._seed = seed
        self._core = FastCore(program, largest=variation.code_max)
        mean = (variation.mean.astype(np.int32) << CODE_FRACTION) + (1 << (2 * CODE_FRACTION - 1))
        sigma = variation.sigma.astype(np.int32)
        self._laws = []
        for layer in program.layers:
            columns = np.ascontiguousarray(layer.weights.T)
            codes = np.concatenate([columns.clip(0), (-columns).clip(0)], axis=1)
            self._laws.append((mean[codes], sigma[codes]))
        self._law = np.array(
            [
                variation.stuck_low,
                (1 << 16) - variation.stuck_high,
                variation.stuck_code_low,
                variation.stuck_code_high,
                variation.code_max,
            ],
            np.int32,
        )

    def chip(self, chip: int) -> FastCore:
        """The core of virtual chip ``chip``; the one before is overwritten."""
        from emulator.golden.fast_loops import redraw

        schedule = key_schedule(self._seed, DOMAIN_CELL, chip + 1)
        for i, ((mean, sigma), weights) in enumerate(zip(self._laws, self._core.weights, strict=True)):
            key = np.empty((4, len(mean)), np.uint16)
            redraw(mean, sigma, self._law, schedule, i, TABLE, key, weights)
        self._core.refresh()
        return self._core


def _curve_values(program: Program, layer: Layer) -> npt.NDArray[np.uint8]:
    """uint8 (curves, 4096): what every curve answers to every voltage code from V_MIN on, in this layer."""
    curves = np.arange(len(program.curve_base), dtype=np.uint16)
    v = np.arange(V_MIN, V_MAX + 1)[:, None]
    values = neuron(v, dataclasses.replace(layer, curve=curves), program.curve_base, program.curve_slope)
    return np.ascontiguousarray(values.T)


def _fields(layer: Layer) -> list[int]:
    values = {"analog": int(layer.readout == "analog")}
    return [values.get(name, getattr(layer, name, 0)) for name in FIELDS]
