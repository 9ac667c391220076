"""device: the device that holds weights, taken from a chip description, and its three
characteristic numbers: states, asymmetry, noise."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ecram.description import Ecram
from ndrite.emulator.device.ecram.pulses import Exponential, LinearStep, StepTable, step_of, tabulated
from ndrite.emulator.errors import CompileError, require

STATES = (2.0, 65_536.0)
"""Smallest and largest number of states over the nominal range that a device may be given."""
IMPROVEMENTS = ("twice the states", "half the asymmetry", "half the noise")


class Place(NamedTuple):
    """A device characterised by three numbers: the number of steps in its range, the
    asymmetry of its steps and their noise. Each is a mean over the states within the
    nominal range -1..1 and the device's bounds.

    Attributes
    ----------
    states:
        Mean steps, up and down, that the nominal range holds.
    asymmetry:
        Mean of ``|up - down| / (up + down)``, steps from the same state: 0 alike, 0.5
        where steps fall to 0 linearly at the bound that they lead to, 1 where pulses
        move one way only.
    noise:
        Deviation of a step from pulse to pulse over its mean.
    """

    states: float
    asymmetry: float
    noise: float


def law_of_weights(chip: Chip, name: str) -> LinearStep | StepTable:
    """Return the law of the devices that hold weights, from the section ``ecram`` of a
    chip description. An exponential law is converted to a table. Raises CompileError,
    naming the device ``name``, if the description has no such law."""
    law = chip.ecram.device
    if isinstance(law, Exponential):
        return tabulated(law)
    if not isinstance(law, LinearStep | StepTable):
        raise CompileError(
            f"device {name} has an ecram of model {chip.ecram.model!r}; accepted: linear-step, step-table, "
            "exponential"
        )
    return law


def place_of(law: LinearStep | StepTable) -> Place:
    """Compute the three numbers of a ``Place`` that characterise a device. Raises
    CompileError for a device that no pulse moves."""
    low, high = max(-1.0, law.w_min), min(1.0, law.w_max)
    w = low + (np.arange(256) + 0.5) / 256 * (high - low)
    (up, noise_up), (down, noise_down) = (step_of(law, w, rises) for rises in (True, False))
    total, noise = up + down, noise_up + noise_down
    require(
        bool(total.any()),
        "largest step",
        0,
        "above 0, as a device that never moves has no states to count",
        CompileError,
    )
    moves = total > 0
    return Place(
        states=float(4.0 / total.mean()),
        asymmetry=float((np.abs(up - down)[moves] / total[moves]).mean()),
        noise=float(noise.mean() / total.mean()),
    )


def placed(chip: Chip, place: Place) -> Chip:
    """Return the chip description with a linear-step device that has the three numbers
    ``place``. Its bounds are -1 and 1, and its steps down mirror the steps up.

    What differs from device to device stays. CompileError where a number is out of
    range: states 2..65,536, asymmetry 0..0.5, noise 0..10.
    """
    low, high = STATES
    require(low <= place.states <= high, "device.states", f"{place.states:g}", "2..65536", CompileError)
    fits = 0 <= place.asymmetry <= 0.5
    require(fits, "device.asymmetry", f"{place.asymmetry:g}", "0..0.5", CompileError)
    require(0 <= place.noise <= 10, "device.noise", f"{place.noise:g}", "0..10 steps", CompileError)
    step, gamma = 2.0 / place.states, 2.0 * place.asymmetry
    ecram = Ecram(
        model="linear-step",
        step_up=step,
        step_down=step,
        gamma_up=gamma,
        gamma_down=gamma,
        cycle_percent=100.0 * place.noise,
        **_spread(chip.ecram),
    )
    return dataclasses.replace(chip, ecram=ecram)


def improved(chip: Chip, law: LinearStep | StepTable, what: str) -> Chip:
    """Return the chip description with its device law improved in one respect at every
    state: ``what`` is one of ``IMPROVEMENTS``. The law becomes a table of steps. The
    two other respects do not change, nor does the spread between devices."""
    table = law if isinstance(law, StepTable) else tabulated(law)
    w = table.w_min + (np.arange(64) + 0.5) / 64 * (table.w_max - table.w_min)
    (up, noise_up), (down, noise_down) = (step_of(table, w, rises) for rises in (True, False))
    if what == "twice the states":
        up, down, noise_up, noise_down = up / 2, down / 2, noise_up / 2, noise_down / 2
    elif what == "half the asymmetry":
        mean = (up + down) / 2
        up, down = (up + mean) / 2, (down + mean) / 2
    else:
        noise_up, noise_down = noise_up / 2, noise_down / 2
    tables: dict[str, Any] = {"step_up_table": up, "step_down_table": down}
    tables |= {"noise_up_table": noise_up, "noise_down_table": noise_down}
    tables = {name: tuple(values.tolist()) for name, values in tables.items()}
    ecram = Ecram(
        model="step-table",
        w_min=table.w_min,
        w_max=table.w_max,
        **tables,
        **_spread(chip.ecram),
    )
    return dataclasses.replace(chip, ecram=ecram)


def _spread(ecram: Ecram) -> dict[str, Any]:
    """Return the description fields of the spread between devices, without those of the
    gammas, which a step table does not have."""
    return {
        "step_variation_percent": ecram.step_variation_percent,
        "step_distribution": ecram.step_distribution,
        "asymmetry_variation_percent": ecram.asymmetry_variation_percent,
        "bound_variation_percent": ecram.bound_variation_percent,
        "lower_bound_variation_percent": ecram.lower_bound_variation_percent,
    }
