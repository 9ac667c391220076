"""Quantised models: the codes that a QuantizeLinear rounds to, saturation included, which may be a ReLU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.network.importing.onnx_call import Call
from emulator.network.importing.values import Value
from emulator.network.importing.view import Floats

CODES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


@dataclass(frozen=True)
class Steps:
    """Values that codes stand for: multiples of ``scale`` from ``low`` to ``high``."""

    scale: float
    low: float
    high: float

    def __call__(self, z: Floats) -> Floats:
        """Values rounded to the nearest of them, half to even, as ONNX has it."""
        return np.asarray(np.clip(np.rint(z / self.scale) * self.scale, self.low, self.high), np.float64)


def _quantise(call: Call) -> Value:
    """The values that the codes stand for; DequantizeLinear behind it changes nothing more."""
    scale, zero = call.constant(1), call.optional(2)
    zero = np.zeros(1, np.uint8) if zero is None else zero
    if scale.size != 1 or zero.size != 1 or zero.dtype.name not in CODES:
        raise call.refused("use one scale and zero point for all of a tensor, of 8 or 16 bits")
    step, offset = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
    low, high = ((code - offset) * step for code in CODES[zero.dtype.name])
    return call.value.apply(call.name, "codes({})", Steps(step, low, high))


def _dequantise(call: Call) -> Value:
    return call.value


QUANTISED: dict[str, Callable[[Call], Any]] = {
    "QuantizeLinear": _quantise,
    "DequantizeLinear": _dequantise,
}
