"""Both reads of a restricted Boltzmann machine: in floats, and of the one array of a die that holds it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import CompileWarning
from emulator.golden import Core
from emulator.mapping import MapOptions, map_network, transposed
from emulator.network import Dense, Network
from ndrite.costs import account_of
from studies import boltzmann
from studies.boltzmann import Machine, Read
from studies.noise_grid import CHIP, cost_of


def in_floats(machine: Machine, level: float, rng: np.random.Generator) -> tuple[Read, Read]:
    """Both reads with weights off by Gaussian noise, drawn once."""
    held = machine.weights + np.float32(level) * rng.standard_normal(machine.weights.shape, dtype=np.float32)
    return (
        lambda v: np.asarray(v @ held + machine.hidden),
        lambda h: np.asarray(h @ held.T + machine.visible),
    )


def on_die(
    machine: Machine, visible: npt.NDArray[np.float32], die: int
) -> tuple[Read, Read, dict[str, dict[str, Any]]]:
    """Both reads of the one array of a die, and what each costs.

    ``visible`` (n, 794) calibrates the converters: of the rows by itself, of the columns by what it draws.
    """
    rng = np.random.default_rng(die)
    weights = machine.weights
    hidden = boltzmann.drawn(boltzmann.sigmoid(visible @ weights + machine.hidden), rng)
    up_net, down_net = (
        Network.chain((Dense(w, bias),), name)
        for w, bias, name in (
            (weights, machine.hidden, "to hidden units"),
            (np.ascontiguousarray(weights.T), machine.visible, "to pixels"),
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)  # single cells beyond the code range
        up = map_network(up_net, CHIP, codes(visible), seed=die, options=MapOptions(one_limit=True))
        down = map_network(
            down_net,
            CHIP,
            codes(hidden),
            seed=die,
            options=MapOptions(
                one_limit=True, first_product=1, programmed=transposed(up.die.arrays[0].mapped)
            ),
        )
    costs = {
        name: cost_of(account_of(m.program, m.die, codes(x[:32])))
        for name, m, x in (("rows to columns", up, visible), ("columns to rows", down, hidden))
    }
    reads = []
    for mapped in (up, down):
        reads.append(_Reads(Core(mapped.program), mapped.die.arrays[0].step, die))
    return reads[0], reads[1], costs


class _Reads:
    """Reads of a program, every one with read noise of its own."""

    def __init__(self, core: Any, step: npt.NDArray[np.float64], seed: int) -> None:
        self._core, self._step, self._seed, self._first = core, step, seed, 0

    def __call__(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        sums = self._core.infer(codes(x), seed=self._seed, first_index=self._first)
        self._first += len(x)
        return np.asarray(sums * self._step, np.float32)


def codes(x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """0..1 as input codes."""
    return np.rint(x * 255).astype(np.uint8)
