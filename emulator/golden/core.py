"""core: whole inferences of any program, vectorised over samples."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.array import array
from emulator.golden.fast import FastCore, available, suits, work
from emulator.golden.neuron import neuron, preneuron
from emulator.golden.noise import gaussian, noise, pass_key, sigma
from emulator.golden.readout import readout
from emulator.golden.steps import gate, pool, second_operand, table
from emulator.golden.trace import Trace
from emulator.spec.arithmetic import dac_slice, slices
from emulator.spec.layer import LAYER_ARRAYS, Layer
from emulator.spec.program import Program
from emulator.spec.steps import Gate, Pool, Product, Step, join

Maps = dict[int, npt.NDArray[Any]]
"""Maps (n, C, H, W) by number."""

BATCH = 1024
"""Samples computed together at most; bounds the memory of a large run."""
BATCH_VALUES = 1 << 22
"""Values of patches computed together, where one sample does not have more."""
FAST_FROM = 256
"""Samples from which on the compiled loops are used, whatever a sample costs."""
FAST_WORK = 1 << 30
"""Multiplications from which on loading the compiled loops pays: NumPy would take a second."""


@dataclass(frozen=True)
class _Draw:
    """What selects the read noise: ``index`` int64 (samples,); none of it without ``noise``."""

    seed: int
    index: npt.NDArray[np.int64]
    noise: bool
    stream: int


class Core:
    """The golden model of one programmed chip.

    Parameters
    ----------
    program:
        What it computes.
    fast:
        Whether to use the compiled loops of ``emulator.golden.fast``; None: where numba is installed, for
        ``FAST_FROM`` samples or ``FAST_WORK`` multiplications and more (loading numba costs a second). The
        answers are the same.
    """

    def __init__(self, program: Program, *, fast: bool | None = None) -> None:
        self.program = program
        usable = fast is not False and available() and suits(program)
        if fast and not usable:
            raise ValueError("compiled loops need numba (pip install 'ndrite[fast]') and sums below 2^24")
        self._fast = FastCore(program) if usable else None
        self._always = bool(fast)

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        stream: int = 0,
        trace: Trace | None = None,
    ) -> npt.NDArray[np.int32]:
        """Run samples through the program.

        Parameters
        ----------
        x:
            Input codes, uint8 (samples, inputs).
        seed:
            Read-noise seed, 0..2^64-1.
        first_index:
            Inference index of the first sample (mod 2^32); sample i has index first_index + i.
        noise:
            False turns read noise off.
        stream:
            Stream of the read noise: 0, or the virtual chip + 1 in a campaign.
        trace:
            Collects every intermediate; the batch is then computed in one piece.

        Returns
        -------
        Logits, int32 (samples, outputs).

        Raises
        ------
        ValueError
            When ``x`` has another shape or dtype, or the seed is out of range.
        """
        if x.ndim != 2 or x.shape[1] != self.program.inputs or x.dtype != np.uint8:
            raise ValueError(
                f"inputs are {x.dtype} {x.shape}; accepted: uint8 (n, {self.program.inputs}) "
                f"for {self.program.name!r}"
            )
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed is {seed}; accepted: 0..2^64-1")
        enough = len(x) >= FAST_FROM or len(x) * work(self.program) >= FAST_WORK
        if self._fast is not None and trace is None and (self._always or enough):
            return self._fast.infer(x, seed=seed, first_index=first_index, noise=noise, stream=stream)
        step = batch_of(self.program) if trace is None else max(1, len(x))
        out = np.empty((len(x), self.program.outputs), np.int32)
        for start in range(0, len(x), step):
            part = x[start : start + step]
            index = np.arange(first_index + start, first_index + start + len(part), dtype=np.int64)
            out[start : start + len(part)] = self._batch(part, _Draw(seed, index, noise, stream), trace)
        return out

    def maps(
        self, x: npt.NDArray[np.uint8], *, seed: int = 0, first_index: int = 0, noise: bool = True
    ) -> list[npt.NDArray[Any]]:
        """Every map of the last call on samples x uint8 (n, inputs), by number; parameters as ``infer``."""
        calls = self.calls(x, seed=seed, first_index=first_index, noise=noise)
        return deque(calls, maxlen=1).pop()

    def _batch(self, x: npt.NDArray[np.uint8], draw: _Draw, trace: Trace | None) -> npt.NDArray[Any]:
        return self._last_call(x, draw, trace)[-1].reshape(len(x), -1)

    def calls(
        self, x: npt.NDArray[np.uint8], *, seed: int = 0, first_index: int = 0, noise: bool = True
    ) -> Iterator[list[npt.NDArray[Any]]]:
        """Every map of each call in turn on samples x uint8 (n, inputs); parameters as ``infer``."""
        index = np.arange(first_index, first_index + len(x), dtype=np.int64)
        return self._calls(x, _Draw(seed, index, noise, 0), None)

    def _calls(
        self, x: npt.NDArray[np.uint8], draw: _Draw, trace: Trace | None
    ) -> Iterator[list[npt.NDArray[Any]]]:
        program = self.program
        calls = x.reshape(len(x), program.calls, *program.shape)
        states = [np.full((len(x), *s.shape), s.start, np.uint8) for s in program.states]
        for call in range(program.calls):
            now = dataclasses.replace(draw, index=draw.index * program.calls + call)
            maps = self._call([calls[:, call], *states], now, trace)
            states = [maps[s.source] for s in program.states]
            yield maps

    def _last_call(
        self, x: npt.NDArray[np.uint8], draw: _Draw, trace: Trace | None
    ) -> list[npt.NDArray[Any]]:
        return deque(self._calls(x, draw, trace), maxlen=1).pop()

    def _call(self, maps: list[npt.NDArray[Any]], draw: _Draw, trace: Trace | None) -> list[npt.NDArray[Any]]:
        """All maps of one call, given the input and the states."""
        number = 0
        for step in self.program.steps:
            maps.append(self._step(number, step, dict(enumerate(maps)), draw, trace))
            number += isinstance(step, Product)
        return maps

    def _step(
        self, number: int, step: Step, maps: Maps, draw: _Draw, trace: Trace | None
    ) -> npt.NDArray[Any]:
        """A step's map; ``number`` counts the products before it."""
        program = self.program
        if isinstance(step, Product):
            return self._product(number, step, maps, draw, trace)
        if isinstance(step, Gate):
            return gate(step, maps)
        x = join([maps[s] for s in step.sources])
        if isinstance(step, Pool):
            return pool(step, x)
        return table(step, x, program.curve_base, program.curve_slope)

    def step(self, at: int, maps: Maps) -> npt.NDArray[Any]:
        """The map (n, C, H, W) that step ``at`` makes of the maps it reads, by number; read noise off."""
        step = self.program.steps[at]
        number = self.program.products_before(at)
        parts = []
        size = len(maps[step.reads[0]])
        batch = batch_of(self.program)
        for start in range(0, size, batch):
            here = {m: maps[m][start : start + batch] for m in step.reads}
            index = np.arange(start, min(start + batch, size), dtype=np.int64)
            parts.append(self._step(number, step, here, _Draw(0, index, False, 0), None))
        return np.concatenate(parts)

    def _product(
        self, number: int, step: Product, maps: Maps, draw: _Draw, trace: Trace | None
    ) -> npt.NDArray[Any]:
        """A product's map: codes, or sums int64."""
        patches = step.patches
        rows = patches.cut(join([maps[s] for s in step.sources]), step.border)
        n, positions = rows.shape[:2]
        index = (draw.index[:, None] * positions + np.arange(positions)).reshape(-1)
        now = dataclasses.replace(draw, index=index)
        z = self._sums(number, step, rows.reshape(n * positions, -1), now, trace)
        return self._ended(number, step, z, maps, trace)

    def _ended(
        self, number: int, step: Product, z: npt.NDArray[np.int64], maps: Maps, trace: Trace | None
    ) -> npt.NDArray[Any]:
        """A product's map from its sums z (patches, outputs): second operand, neurons, each in its place."""
        positions, program = step.patches.positions, self.program
        if step.skip is not None:
            z = z + second_operand(step, maps[step.skip]).reshape(z.shape)
        if trace:
            trace.record("preneuron", number, 0, 0, z)
        y: npt.NDArray[Any] = z
        if step.fires:
            y = neuron(preneuron(z, step.layer), step.layer, program.curve_base, program.curve_slope)
            if trace:
                trace.record("neuron", number, 0, 0, y)
        return step.patches.place(y.reshape(len(z) // positions, positions, -1), step.block)

    def _sums(
        self, number: int, step: Product, x: npt.NDArray[np.uint8], draw: _Draw, trace: Trace | None
    ) -> npt.NDArray[np.int64]:
        """p + bias, int64 (patches, outputs), of product ``number`` on patches x."""
        groups = step.patches.groups
        p = self._partial(number, step.layer, groups, x, draw, trace)
        return p + step.layer.bias.astype(np.int64)

    def _partial(
        self,
        number: int,
        layer: Layer,
        groups: int,
        x: npt.NDArray[np.uint8],
        draw: _Draw,
        trace: Trace | None,
    ) -> npt.NDArray[np.int64]:
        """Partial sums p of product ``number`` over all its tiles and slices, int64 (patches, outputs)."""
        noisy = draw.noise and bool(layer.sigma_out or layer.var_cell)
        share = layer.outputs // groups
        p = np.zeros((len(x), layer.outputs), np.int64)
        per_tile, first = layer.tile_rows(self.program.rows), self.program.first_product
        for g in range(groups):
            mine = slice(g * share, (g + 1) * share)
            part = dataclasses.replace(
                layer, **{name: getattr(layer, name)[..., mine] for name in LAYER_ARRAYS}
            )
            seen = x[:, g * layer.inputs : (g + 1) * layer.inputs]
            for t in range(layer.tiles(self.program.rows)):
                rows = slice(t * per_tile, (t + 1) * per_tile)
                for j in range(slices(layer.dac_bits)):
                    xj = dac_slice(seen[:, rows], j, layer.dac_bits)
                    a = array(xj, part.weights[rows])
                    if trace:
                        trace.record("array", number, t, j, a, beside=g > 0)
                    if noisy:
                        energy = np.square(xj.astype(np.int64)).sum(axis=1)
                        s = sigma(energy, layer.sigma_out, layer.var_cell)[:, None]
                        key = pass_key(draw.seed, draw.index, first + number, t, j, stream=draw.stream)
                        n = gaussian(key, np.arange(mine.start, mine.stop))
                        a = noise(a, s, n)
                        if trace:
                            trace.record("sigma", number, t, j, s, beside=g > 0)
                            trace.record("noise", number, t, j, n, beside=g > 0)
                            trace.record("noisy", number, t, j, a, beside=g > 0)
                    added = readout(a, part, j)
                    p[:, mine] += added
                    if trace:
                        trace.record("readout", number, t, j, added, beside=g > 0)
                        trace.record("partial", number, t, j, p[:, mine], beside=g > 0)
        return p


def batch_of(program: Program) -> int:
    """Samples computed together: their patches, and what products give for them, are in memory at once."""
    each = max(
        (
            p.patches.positions * max(p.patches.groups * p.patches.inputs, p.layer.outputs)
            for p in program.products
        ),
        default=1,
    )
    return max(1, min(BATCH, BATCH_VALUES // each))
