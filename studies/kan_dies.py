"""What chips take from Kolmogorov-Arnold networks and MLPs, cause by cause; no die is tuned."""

from __future__ import annotations

import warnings
from typing import Any

from emulator.device.rram.drift import DAY
from emulator.network import Network
from ndrite.costs import account_of, load_constants
from ndrite.labelled import Labelled
from studies import dies, runs
from studies.runs import Bools

DIES = 2
"""Of a network and cause."""
SPREAD = {"neuron__peak_voltage_variation_percent": 2.0, "neuron__peak_current_variation_percent": 2.0}
QUIET = {"cell__read_noise_percent": 0.0, "readout__output_noise_lsb": 0.0}
EXACT = {"cell__error_scale": 0.0}
ENERGY_CHIP, ENERGY_SAMPLES = "wan2022", 100
AGED = "programming error, 1 day"
CAUSES: dict[str, tuple[str, dict[str, Any]]] = {
    "codes, tables": ("ideal", {}),
    "programming error": ("wan2022", QUIET),
    "read noise": ("wan2022", EXACT),
    "both": ("wan2022", {}),
    AGED: ("wan2022", QUIET | {"cell__drift": "wan2022"}),
    "IR drop, 1 ohm": ("ideal", {"array__wire_resistance_ohm": 1.0}),
    "NDR spread 2 %": ("ideal", SPREAD),
    "NDR load line, 50 ohm": ("ideal", {"neuron__source_resistance_ohm": 50.0}),
    "NDR ECRAM, 64 states": ("ideal+ecram-pair", {"ecram__states": 64}),
    "NDR ECRAM, 8 states": ("ideal+ecram-pair", {"ecram__states": 8}),
}
"""Chip, and what is changed of its description. Those of the NDR device name it. Drift comes with the
programming error that it goes on from: one scale is of both."""


def applies(kind: str, cause: str) -> bool:
    """Whether dies with a cause are made of a network: one without NDR curves knows no errors of theirs."""
    return not kind.startswith("mlp relu") or not cause.startswith("NDR")


def energy_pj(network: Network, found: Labelled) -> float:
    """Modelled energy of one sample on ``ENERGY_CHIP``, typical, mean of the first test samples."""
    made = dies.make(network, dies.changed(ENERGY_CHIP), 0, found.x[:512])
    account = account_of(made.program, made.die, found.test_x[:ENERGY_SAMPLES], load_constants())
    return float(account.total.energy_pJ[1])


def on_dies(network: Network, found: Labelled, cause: str) -> list[Bools]:
    """What each die with one cause of error gets right; die d is drawn and read with seed d."""
    name, fields = CAUSES[cause]
    chip, right = dies.changed(name, **fields), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for die in range(DIES):
            if cause == AGED:
                made = dies.aged(network, chip, die, found.x[:512], DAY)
            else:
                made = dies.make(network, chip, die, found.x[:512])
            right.append(runs.on_die(made.program, die, found.test_x, found.test_labels))
    return right
