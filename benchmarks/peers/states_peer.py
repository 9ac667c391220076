"""aihwkit's devices under pulses one by one: the states of many devices after some of them.

    PYTHON_WITH_AIHWKIT states_peer.py WORK.json STATES.npz

``WORK.json`` is what ``benchmarks/states.py`` writes: laws, start, directions of the
pulses, and after how many the states are kept. ``STATES.npz`` has them, (devices,), by
law, series and number of pulses.
"""

import json
import sys
from typing import Any

import aihwkit.simulator.configs.devices as devices
import numpy as np
import torch
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.tiles import AnalogTile
from presets import array

torch.set_num_threads(1)


def tile_of(law: dict[str, Any], shape: tuple[int, int], start: float) -> Any:
    """Return a tile of devices at state ``start``, each of which takes exactly
    one pulse an update."""
    device = array(law["preset"]) if law["preset"] else getattr(devices, law["kind"])(**law["fields"])
    config = SingleRPUConfig(device=device)
    config.update.desired_bl = 1
    config.update.update_management = config.update.update_bl_management = False
    config.forward.is_perfect = config.backward.is_perfect = True
    rows, columns = shape
    tile = AnalogTile(columns, rows, config)
    tile.set_weights(torch.full((columns, rows), start))
    tile.set_learning_rate(device.dw_min)
    return tile


def states(work: dict[str, Any], law: dict[str, Any], directions: list[int]) -> dict[int, Any]:
    rows, columns = work["shape"]
    tile = tile_of(law, (rows, columns), law["start"])
    kept = {}
    for count, direction in enumerate(directions, start=1):
        # aihwkit descends: a pulse up takes a negative error.
        tile.update(torch.ones(1, rows), torch.full((1, columns), -float(direction)))
        if count in work["after"]:
            kept[count] = np.asarray(tile.get_weights()[0]).ravel().copy()
    return kept


def main(path: str, result: str) -> None:
    with open(path) as file:
        work = json.load(file)
    torch.manual_seed(work["seed"])
    kept = {}
    for name, law in work["laws"].items():
        for series, directions in work["series"].items():
            for count, values in states(work, law, directions).items():
                kept[f"{name}/{series}/{count}"] = values
    np.savez(result, **kept)


main(*sys.argv[1:])
