"""fast_chips: virtual chips drawn by the compiled loops, as ``emulator.golden.redraw`` draws them."""

from __future__ import annotations

import numpy as np

from emulator.golden.fast import FastCore
from emulator.golden.fast_steps import TABLE
from emulator.golden.noise import key_schedule
from emulator.spec.program import Program
from emulator.spec.variation import CODE_FRACTION, DOMAIN_CELL


class FastChips:
    """Virtual chips of a program (with ``variation``), one at a time: ``virtual_chip`` and ``FastCore``."""

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
