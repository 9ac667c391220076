"""fast: the golden model in compiled loops, bit-identical to ``emulator.golden.core`` (tested), for speed.

Needs the extra ``fast``; without it the NumPy model does the same work, slower.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from functools import cache

import numpy as np
import numpy.typing as npt

from emulator.golden.array import FLOAT32_EXACT
from emulator.golden.neuron import neuron
from emulator.golden.noise import SIGNED_TABLE, key_schedule
from emulator.golden.threads import in_threads
from emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN
from emulator.spec.image import ChipImage, Layer
from emulator.spec.noise import DOMAIN_READ
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
"""Columns of the layers' integer table."""
TABLE = SIGNED_TABLE.astype(np.int32)


@cache
def available() -> bool:
    """Whether numba and what keeps BLAS to one thread are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "threadpoolctl"))


def suits(image: ChipImage, largest: int | None = None) -> bool:
    """Whether every column sum is exact in float32, which the compiled loops rely on.

    ``largest``: the largest weight; None: the image's own, or that of its virtual chips where it has any.
    """
    if largest is None and image.variation is not None:
        largest = image.variation.code_max
    for layer in image.layers:
        most = largest or int(np.abs(layer.weights.astype(np.int64)).max())
        if layer.tile_rows(image.rows) * INPUT_MAX * most >= FLOAT32_EXACT:
            return False
    return True


class FastCore:
    """The golden model of one chip, laid out for the compiled loops.

    ``largest`` is the largest weight that may be put into ``weights``; None: that of the image.
    Raises ``ValueError`` when ``suits(image)`` does not hold.
    """

    def __init__(self, image: ChipImage, *, largest: int | None = None) -> None:
        if not suits(image, largest):
            raise ValueError(f"column sums of {image.name!r} are too long for float32; use Core")
        self.image = image
        layers = image.layers
        self._layers = np.array([_fields(la) for la in layers], np.int64)
        self._weights = np.concatenate([la.weights.astype(np.float32).reshape(-1) for la in layers])
        ends = np.cumsum([la.weights.size for la in layers])[:-1]
        parts = np.split(self._weights, ends)  # views
        self.weights = [part.reshape(la.weights.shape) for part, la in zip(parts, layers, strict=True)]
        """float32 (K, M) of every layer, what the loops multiply with."""
        self._columns = np.concatenate(
            [np.stack([la.bias, la.gain, la.offset, la.scale, la.curve]).astype(np.int64) for la in layers],
            axis=1,
        )
        self._values = np.stack([_curve_values(image, la) for la in layers[:-1]] or [np.zeros(0, np.uint8)])

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        stream: int = 0,
    ) -> npt.NDArray[np.int32]:
        """Logits int32 (n, outputs); parameters as ``Core.infer``, which checks them."""
        from emulator.golden.fast_loops import infer

        x, schedule = np.ascontiguousarray(x), key_schedule(seed, DOMAIN_READ, stream)
        out = np.empty((len(x), self.image.outputs), np.int32)

        def part(low: int, high: int) -> None:
            infer(
                x[low:high],
                self._layers,
                self._weights,
                self._columns,
                self._values,
                TABLE,
                schedule,
                (first_index + low) & 0xFFFFFFFF,
                noise,
                self.image.rows,
                out[low:high],
            )

        in_threads(part, len(x))
        return out


class FastChips:
    """Virtual chips of an image (with ``variation``), one at a time: ``virtual_chip`` and ``FastCore``."""

    def __init__(self, image: ChipImage, seed: int) -> None:
        variation = image.variation
        assert variation is not None
        self._seed = seed
        self._core = FastCore(image, largest=variation.code_max)
        mean = (variation.mean.astype(np.int32) << CODE_FRACTION) + (1 << (2 * CODE_FRACTION - 1))
        sigma = variation.sigma.astype(np.int32)
        self._laws = []
        for layer in image.layers:
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


def _curve_values(image: ChipImage, layer: Layer) -> npt.NDArray[np.uint8]:
    """uint8 (curves * 4096,): what every curve answers to every voltage code from V_MIN on, in this layer."""
    curves = np.arange(len(image.curve_base), dtype=np.uint16)
    v = np.arange(V_MIN, V_MAX + 1)[:, None]
    values = neuron(v, dataclasses.replace(layer, curve=curves), image.curve_base, image.curve_slope)
    return np.ascontiguousarray(values.T).reshape(-1)


def _fields(layer: Layer) -> list[int]:
    values = {"analog": int(layer.readout == "analog")}
    return [values.get(name, getattr(layer, name, 0)) for name in FIELDS]
