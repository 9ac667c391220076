"""aihwkit: a chip's ECRAM as an RPUConfig, a die's weights beside it, and aihwkit's presets as chips.

Both have the same law (``emulator.device.ecram.pulses.LinearStep``): there ``dw_min`` is the larger one of
the steps up and down, and ``up_down`` what the other one lacks of it (src/rpucuda/rpu_pulsed_device.cpp).
The spread of the gammas is in their own unit there, and in percent of them in a chip.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.mapping.die import Die
from emulator.mapping.weights import code_max
from host import InputError

SAME = {"dw_min_dtod": "step", "up_down_dtod": "asymmetry", "w_max_dtod": "bound", "w_min_dtod": "bound"}
BASE = "LinearStepDevice"


def config(chip: Chip) -> str:
    """A Python file that defines ``rpu_config``. Raises InputError for an ECRAM of another law."""
    ecram = chip.ecram
    if ecram.model != "linear-step":
        raise InputError(f"ecram.model is {ecram.model!r}; accepted: linear-step, which aihwkit has too")
    up, down, gammas = ecram.step_up, ecram.step_down, ecram.gamma_variation_percent / 100
    values = {
        "dw_min": max(up, down),
        "up_down": (up - down) / max(up, down),
        **{name: getattr(ecram, name) for name in ("w_max", "w_min", "gamma_up", "gamma_down")},
        **{name: getattr(ecram, f"{ours}_variation_percent") / 100 for name, ours in SAME.items()},
        "gamma_up_dtod": gammas * ecram.gamma_up,
        "gamma_down_dtod": gammas * ecram.gamma_down,
        "dw_min_std": ecram.cycle_percent / 100,
    }
    lines = "\n".join(f"        {name}={value!r}," for name, value in values.items())
    return f'''"""The ECRAM of {chip.name} in aihwkit; weights are in the file beside it that ends in .npz."""

from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import {BASE}

rpu_config = SingleRPUConfig(
    device={BASE}(
{lines}
        mult_noise=True,
        mean_bound_reference=True,
        write_noise_std=0.0,
    )
)
'''


def weights(die: Die) -> dict[str, npt.NDArray[np.float32]]:
    """``weights_0`` and so on, (outputs, inputs) as aihwkit has them: what the die's cells, as programmed and
    through their wires, make of the network's weights."""
    found = {}
    for i, array in enumerate(die.arrays):
        mapped = array.mapped
        plus, minus = mapped.cells.effective * (code_max(die.chip.cell) / mapped.full_scale_uS)
        found[f"weights_{i}"] = ((plus - minus) * mapped.unit).T.astype(np.float32)
    return found


def preset_values(path: Path, name: str) -> dict[str, Any]:
    """Fields of the section ``ecram`` from a class of aihwkit's ``simulator/presets/devices.py``; nothing of
    the file is executed.

    Raises
    ------
    InputError
        When there is no such class, or it is not a plain LinearStepDevice.
    """
    classes = {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)}
    known = [n for n, node in classes.items() if [getattr(b, "id", "") for b in node.bases] == [BASE]]
    if name not in known:
        raise InputError(f"{path}: preset is {name!r}; accepted: {', '.join(known) or f'a {BASE}'}")
    given = {
        line.target.id: ast.literal_eval(line.value)
        for line in classes[name].body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None
    }
    if not given.get("mult_noise", True) or given.get("write_noise_std"):
        raise InputError(
            f"{path}: {name} has additive or write noise; accepted: mult_noise and no write noise"
        )
    step, tilt = given["dw_min"], given.get("up_down", 0.0)
    gammas = [
        given[f"gamma_{way}_dtod"] / given[f"gamma_{way}"] for way in ("up", "down") if given[f"gamma_{way}"]
    ]
    return {
        "model": "linear-step",
        "step_up": step * (1 + min(tilt, 0.0)),
        "step_down": step * (1 - max(tilt, 0.0)),
        **{field: given[field] for field in ("w_min", "w_max", "gamma_up", "gamma_down")},
        "cycle_percent": 100 * given["dw_min_std"],
        "step_variation_percent": 100 * given["dw_min_dtod"],
        "asymmetry_variation_percent": 100 * given["up_down_dtod"],
        "bound_variation_percent": 50 * (given["w_max_dtod"] + given["w_min_dtod"]),
        "gamma_variation_percent": 100 * float(np.mean(gammas)) if gammas else 0.0,
    }
