"""core: whole inferences, vectorised over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.array import array
from emulator.golden.fast import FastCore, available, suits
from emulator.golden.neuron import neuron, preneuron
from emulator.golden.noise import gaussian, noise, pass_key, sigma
from emulator.golden.readout import readout
from emulator.golden.trace import Trace
from emulator.spec.arithmetic import dac_slice, slices
from emulator.spec.image import ChipImage, Layer

BATCH = 1024
"""Images computed together; bounds the memory of a large run."""
FAST_FROM = 256
"""Images from which on loading the compiled loops pays."""


@dataclass(frozen=True)
class _Draw:
    """What selects the read noise: ``index`` int64 (images,); none of it without ``noise``."""

    seed: int
    index: npt.NDArray[np.int64]
    noise: bool
    stream: int


class Core:
    """The golden model of one programmed chip.

    Parameters
    ----------
    image:
        The compiled network.
    fast:
        Whether to use the compiled loops of ``emulator.golden.fast``; None: where numba is installed, for
        ``FAST_FROM`` images and more (loading numba costs a second). The answers are the same.
    """

    def __init__(self, image: ChipImage, *, fast: bool | None = None) -> None:
        self.image = image
        usable = fast is not False and available() and suits(image)
        if fast and not usable:
            raise ValueError("compiled loops need numba (pip install 'ndrite[fast]') and sums below 2^24")
        self._fast = FastCore(image) if usable else None
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
        """Run images through the network.

        Parameters
        ----------
        x:
            Input codes, uint8 (images, inputs).
        seed:
            Read-noise seed, 0..2^64-1.
        first_index:
            Inference index of the first image (mod 2^32); image i has index first_index + i.
        noise:
            False turns read noise off.
        stream:
            Stream of the read noise: 0, or the virtual chip + 1 in a campaign.
        trace:
            Collects every intermediate; the batch is then computed in one piece.

        Returns
        -------
        Logits, int32 (images, outputs).

        Raises
        ------
        ValueError
            When ``x`` has another shape or dtype, or the seed is out of range.
        """
        if x.ndim != 2 or x.shape[1] != self.image.inputs or x.dtype != np.uint8:
            raise ValueError(
                f"inputs are {x.dtype} {x.shape}; accepted: uint8 (n, {self.image.inputs}) "
                f"for {self.image.name!r}"
            )
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed is {seed}; accepted: 0..2^64-1")
        if self._fast is not None and trace is None and (self._always or len(x) >= FAST_FROM):
            return self._fast.infer(x, seed=seed, first_index=first_index, noise=noise, stream=stream)
        step = BATCH if trace is None else max(1, len(x))
        out = np.empty((len(x), self.image.outputs), np.int32)
        for start in range(0, len(x), step):
            part = x[start : start + step]
            index = np.arange(first_index + start, first_index + start + len(part), dtype=np.int64)
            out[start : start + len(part)] = self._batch(part, _Draw(seed, index, noise, stream), trace)
        return out

    def _batch(
        self,
        x: npt.NDArray[np.uint8],
        draw: _Draw,
        trace: Trace | None,
    ) -> npt.NDArray[Any]:
        last = len(self.image.layers) - 1
        for i, layer in enumerate(self.image.layers):
            p = self._partial(i, layer, x, draw, trace)
            z = p + layer.bias.astype(np.int64)
            if trace:
                trace.record("preneuron", i, 0, 0, z)
            if i < last:
                x = neuron(preneuron(z, layer), layer, self.image.curve_base, self.image.curve_slope)
                if trace:
                    trace.record("neuron", i, 0, 0, x)
        return z

    def _partial(
        self,
        i: int,
        layer: Layer,
        x: npt.NDArray[np.uint8],
        draw: _Draw,
        trace: Trace | None,
    ) -> npt.NDArray[np.int64]:
        """Partial sums p of layer ``i`` over all its tiles and slices, int64 (images, outputs)."""
        noisy = draw.noise and bool(layer.sigma_out or layer.var_cell)
        columns = np.arange(layer.outputs)
        p = np.zeros((len(x), layer.outputs), np.int64)
        per_tile = layer.tile_rows(self.image.rows)
        for t in range(layer.tiles(self.image.rows)):
            rows = slice(t * per_tile, (t + 1) * per_tile)
            for j in range(slices(layer.dac_bits)):
                xj = dac_slice(x[:, rows], j, layer.dac_bits)
                a = array(xj, layer.weights[rows])
                if trace:
                    trace.record("array", i, t, j, a)
                if noisy:
                    energy = np.square(xj.astype(np.int64)).sum(axis=1)
                    s = sigma(energy, layer.sigma_out, layer.var_cell)[:, None]
                    g = gaussian(pass_key(draw.seed, draw.index, i, t, j, stream=draw.stream), columns)
                    a = noise(a, s, g)
                    if trace:
                        trace.record("sigma", i, t, j, s)
                        trace.record("noise", i, t, j, g)
                        trace.record("noisy", i, t, j, a)
                added = readout(a, layer, j)
                p += added
                if trace:
                    trace.record("readout", i, t, j, added)
                    trace.record("partial", i, t, j, p)
        return p
