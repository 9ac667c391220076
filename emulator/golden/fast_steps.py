"""fast_steps: the steps of a program over maps (C, n, H, W), through the compiled loops.

The channel comes first, so what a column or a channel holds lies in one piece for all samples together.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.neuron import neuron
from emulator.golden.noise import SIGNED_TABLE
from emulator.golden.steps import table
from emulator.golden.threads import in_threads
from emulator.spec.arithmetic import V_MAX, V_MIN
from emulator.spec.layer import Layer
from emulator.spec.patches import Patches, Shape
from emulator.spec.program import Program
from emulator.spec.steps import Gate, Pool, Product, Table, filled

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
Codes = npt.NDArray[np.uint8]
NO_CODES = np.empty((0, 0), np.uint8)
NO_SUMS = np.empty((0, 0), np.int32)
NO_FACTORS = np.empty(0, np.int64)
TABLE = SIGNED_TABLE.astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Draw:
    """What selects the read noise of a product, and whether there is any.

    ``schedule``: round keys uint32 (27,); ``number``: the product's in the key; ``first``: that of the first
    patch; ``stride``: what a sample adds to it.
    """

    schedule: npt.NDArray[np.uint32]
    noise: bool
    number: int
    first: int
    stride: int


class FastProduct:
    """A product as the loops read it; ``given`` float32 (M, K) is read again by ``refresh``."""

    def __init__(self, program: Program, step: Product) -> None:
        layer, p = step.layer, step.patches
        self._step, self._array_rows = step, program.rows
        self._fields = np.array([*_fields(layer), int(step.fires), step.skip_shift], np.int64)
        self.given = np.ascontiguousarray(layer.weights.T.astype(np.float32))
        self._weights = self.given.reshape(p.groups, -1)
        self._tile_rows = layer.tile_rows(program.rows)
        self.refresh()
        gain = np.zeros(layer.outputs, np.uint16) if step.skip_gain is None else step.skip_gain
        columns = [layer.bias, layer.gain, layer.offset, layer.scale, layer.curve, gain]
        self._columns = np.stack([column.astype(np.int64) for column in columns])
        self._values = _curve_values(program, layer) if step.fires else NO_CODES
        self._where = _where(p, step.border)

    def refresh(self) -> None:
        """Lay ``given`` out tile by tile; of one tile it is the same memory."""
        _m, k = self.given.shape
        if k <= self._tile_rows:
            return
        by_group = self.given.reshape(len(self._weights), -1, k)
        tiles = [by_group[:, :, t : t + self._tile_rows] for t in range(0, k, self._tile_rows)]
        flat = [tile.reshape(len(self._weights), -1) for tile in tiles]
        self._weights = np.concatenate(flat, axis=1)

    def run(self, maps: list[npt.NDArray[Any]], draw: Draw, threads: int) -> npt.NDArray[Any]:
        """Its map, (C, n, H, W): codes, or sums int32; ``threads`` share the patches."""
        from emulator.golden.fast_loops import product

        step, patches = self._step, self._step.patches
        x = join([maps[s] for s in step.sources])
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

        def part(low: int, high: int) -> None:
            product(
                x,
                self._where,
                self._fields,
                self._weights,
                self._columns,
                skip,
                self._values,
                TABLE,
                draw.schedule,
                draw.number,
                draw.first,
                draw.stride,
                draw.noise,
                self._array_rows,
                low,
                high,
                codes,
                sums,
            )

        if threads > 1:
            in_threads(part, n * positions, step.layer.weights.size, threads)
        else:
            part(0, n * positions)
        out = codes if step.fires else sums
        if step.block == (1, 1):
            return out.reshape(m, n, rows, columns)
        blocks = out.reshape(g, h, -1, n, rows, columns).transpose(2, 3, 4, 0, 5, 1)
        return np.ascontiguousarray(blocks).reshape(-1, n, rows * g, columns * h)


def _where(p: Patches, border: int) -> npt.NDArray[np.int64]:
    """Patches in the loops' order."""
    numbers = [*p.shape, *p.kernel, *p.stride, *p.dilation, *p.padding[:2], *p.grid, p.groups, border]
    return np.array(numbers, np.int64)


def channel_first(x: Codes, shape: Shape) -> Codes:
    """Maps (C, n, H, W) of samples (n, C * H * W)."""
    from emulator.golden.fast_maps import turn

    if shape[1:] != (1, 1):
        return np.ascontiguousarray(np.moveaxis(x.reshape(len(x), *shape), 1, 0))
    out = np.empty((shape[0], len(x)), np.uint8)
    turn(x, out)
    return out.reshape(shape[0], len(x), 1, 1)


def join(maps: list[Codes]) -> Codes:
    """Several maps as one step reads them (``emulator.spec.steps.joined``)."""
    if len(maps) == 1:
        return maps[0]
    if len({x.shape[2:] for x in maps}) > 1:
        maps = [np.moveaxis(x, 1, 3).reshape(-1, x.shape[1], 1, 1) for x in maps]
    # Joined maps of one sample or one row may come in another order of memory.
    return np.ascontiguousarray(np.concatenate(maps))


def pooled(step: Pool, x: Codes) -> Codes:
    """A pooling step's map of joined maps ``x``."""
    from emulator.golden.fast_maps import pool

    p = step.patches
    out = np.empty((p.shape[0], x.shape[1], *p.grid), np.uint8)
    mul = NO_FACTORS if step.mul is None else step.mul.astype(np.int64)
    pool(x, _where(p, step.border), step.of == "average", mul, step.pool_shift, out)
    return filled(out, step.block)


class FastTable:
    """A table as what every element answers to every code."""

    def __init__(self, program: Program, step: Table) -> None:
        self._channel = step.channel
        codes = np.arange(256, dtype=np.uint8)[:, None, None, None]
        channels = np.broadcast_to(codes, (256, int(step.channel.max()) + 1, 1, 1))
        answers = table(step, channels, program.curve_base, program.curve_slope)
        self._answers = np.ascontiguousarray(answers[:, :, 0, 0].T)

    def run(self, x: Codes) -> Codes:
        """Its map of joined maps ``x``."""
        from emulator.golden.fast_maps import look_up

        out = np.empty((len(self._channel), *x.shape[1:]), np.uint8)
        look_up(x.reshape(len(x), -1), self._channel, self._answers, out.reshape(len(out), -1))
        return out


def gated(step: Gate, maps: list[Codes]) -> Codes:
    """A gate's map."""
    from emulator.golden.fast_maps import add_term, close_gate

    first = maps[step.terms[0].a]
    total, out = np.zeros(first.size, np.int64), np.empty(first.shape, np.uint8)
    for term in step.terms:
        other = NO_CODES if term.b is None else maps[term.b]
        add_term(maps[term.a].reshape(-1), other.reshape(-1), term.a_zero, term.b_zero, term.gain, total)
    close_gate(total, step.gate_shift, step.zero, out.reshape(-1))
    return out


def _curve_values(program: Program, layer: Layer) -> npt.NDArray[np.uint8]:
    """uint8 (curves, 4096): what every curve answers to every voltage code from V_MIN on, in this layer."""
    curves = np.arange(len(program.curve_base), dtype=np.uint16)
    v = np.arange(V_MIN, V_MAX + 1)[:, None]
    values = neuron(v, dataclasses.replace(layer, curve=curves), program.curve_base, program.curve_slope)
    return np.ascontiguousarray(values.T)


def _fields(layer: Layer) -> list[int]:
    values = {"analog": int(layer.readout == "analog")}
    return [values.get(name, getattr(layer, name, 0)) for name in FIELDS]
