"""analoglib 0.1: tiled crossbars of ReRAM pairs with programming error and read
noise; no converters."""

from typing import Any

import numpy as np
from analoglib.crossbar.tiled import TiledCrossbar
from analoglib.devices import ReRAM
from work import PROGRAMMING_ERROR, READ_NOISE, TILE, run


def make_chip(w0: Any, w1: Any) -> Any:
    """Program both layers anew and return the inference function; the
    activation is x exp(1 - x)."""
    device = ReRAM(num_states=16, read_noise_sigma=READ_NOISE, programming_error_sigma=PROGRAMMING_ERROR)
    layers = [TiledCrossbar.from_matrix(w, (TILE, TILE), device=device) for w in (w0, w1)]

    def infer(x: Any) -> Any:
        v = np.maximum(layers[0].vmm(x, noise=True), 0)
        return layers[1].vmm(v * np.exp(1 - v), noise=True)

    return infer


run("analoglib", make_chip)
