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
from emulator.golden.steps import gate, join, second_operand, table
from emulator.golden.threads import in_threads
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN
from emulator.spec.layer import Layer
from emulator.spec.program import Program
from emulator.spec.noise import DOMAIN_READ
from emulator.spec.steps import Gate, Pool, Product
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
"""A layer's integers, in the loops' order; whether its neurons fire comes last."""
CHUNK = 336
"""Samples worked on together: their sums stay in the second-level cache."""
ROWS = 1 << 14
"""Patches of one product worked on together, where one sample does not have more."""
NOTHING = np.empty((0, 0, 0), np.int32)
Codes = npt.NDArray[np.uint8]
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
        self.weights = [self._held[id(step)].weights for step in program.products]
        """float32 (K, M) of every product, what the loops multiply with."""
        most = max((p.patches.positions for p in program.products), default=1)
        self._batch = max(1, min(CHUNK, ROWS // most))

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

        in_threads(part, len(x))
        return out

    def _samples(self, x: Codes, draw: _Draw, first: int) -> npt.NDArray[Any]:
        program, n = self.program, len(x)
        calls = x.reshape(n, program.calls, *program.shape)
        states = [np.full((n, *s.shape), s.start, np.uint8) for s in program.states]
        for call in range(program.calls):
            maps: list[npt.NDArray[Any]] = [np.ascontiguousarray(calls[:, call]), *states]
            number = program.first_product
            for step in program.steps:
                if isinstance(step, Product):
                    maps.append(self._product(step, maps, draw, number, first, call))
                    number += 1
                elif isinstance(step, Gate):
                    maps.append(gate(step, dict(enumerate(maps))))
                elif isinstance(step, Pool):
                    maps.append(_pool(step, join([maps[s] for s in step.sources])))
                else:
                    source = join([maps[s] for s in step.sources])
                    maps.append(table(step, source, program.curve_base, program.curve_slope))
            states = [maps[s.source] for s in program.states]
        return maps[-1].reshape(n, -1)

    def _product(
        self,
        step: Product,
        maps: list[npt.NDArray[Any]],
        draw: _Draw,
        number: int,
        first: int,
        call: int,
    ) -> npt.NDArray[Any]:
        from emulator.golden.fast_loops import product

        held, patches, calls = self._held[id(step)], step.patches, self.program.calls
        x = np.ascontiguousarray(join([maps[s] for s in step.sources]))
        n, positions, m = len(x), patches.positions, step.layer.outputs
        skip = NOTHING if step.skip is None else second_operand(step, maps[step.skip]).astype(np.int32)
        out = np.empty((n, m, positions), np.uint8 if step.fires else np.int32)
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
            out,
        )
        if step.block == (1, 1):
            return out.reshape(n, m, *patches.grid)
        return patches.place(out.transpose(0, 2, 1), step.block)


@dataclass(frozen=True)
class _Draw:
    schedule: npt.NDArray[np.uint32]
    noise: bool


class _Held:
    """A product's numbers as the loops read them."""

    def __init__(self, program: Program, step: Product) -> None:
        layer, p = step.layer, step.patches
        self.fields = np.array([*_fields(layer), int(step.fires)], np.int64)
        self.weights = np.ascontiguousarray(layer.weights.astype(np.float32))
        self.columns = np.stack([layer.bias, layer.gain, layer.offset, layer.scale, layer.curve]).astype(np.int64)
        self.values = _curve_values(program, layer) if step.fires else np.zeros(0, np.uint8)
        self.where = np.array(
            [*p.shape, *p.kernel, *p.stride, *p.dilation, *p.padding[:2], *p.grid, p.groups, step.border], np.int64
        )


def _pool(step: Pool, x: Codes) -> Codes:
    from emulator.golden.fast_loops import average_pool, max_pool

    p = step.patches
    where = np.array([*p.shape, *p.kernel, *p.stride, *p.dilation, *p.padding[:2], *p.grid, 1, step.border], np.int64)
    out = np.empty((len(x), p.shape[0], *p.grid), np.uint8)
    if step.mul is None:
        max_pool(np.ascontiguousarray(x), where, out)
    else:
        average_pool(np.ascontiguousarray(x), where, step.mul.astype(np.int64), step.pool_shift, out)
    return out


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
            key = np.empty((len(mean), 4), np.uint16)
            redraw(mean, sigma, self._law, schedule, i, TABLE, key, weights)
        return self._core


def _curve_values(program: Program, layer: Layer) -> npt.NDArray[np.uint8]:
    """uint8 (curves * 4096,): what every curve answers to every voltage code from V_MIN on, in this layer."""
    curves = np.arange(len(program.curve_base), dtype=np.uint16)
    v = np.arange(V_MIN, V_MAX + 1)[:, None]
    values = neuron(v, dataclasses.replace(layer, curve=curves), program.curve_base, program.curve_slope)
    return np.ascontiguousarray(values.T).reshape(-1)


def _fields(layer: Layer) -> list[int]:
    values = {"analog": int(layer.readout == "analog")}
    return [values.get(name, getattr(layer, name, 0)) for name in FIELDS]
