"""Runs of one die of one network each: what is right on it, and all of them as networks x dies x samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden import Core
from emulator.network import Network
from emulator.spec import Program
from ndrite.experiments.bits import Bools, packed, unpacked
from ndrite.intervals import CROSSED, bootstrap

FLOAT = "float"
"""The key of what a network gets right in float; its dies are kept as differences from it."""


def die_number(seed: int, die: int) -> int:
    """What draws die ``die`` of the network of ``seed``, and its read noise."""
    return 1000 * seed + die


def right_in_float(net: Network, x: npt.NDArray[np.uint8], labels: npt.NDArray[Any]) -> Bools:
    """Whether the float network is right, (n,)."""
    right: Bools = net.forward(x / np.float32(255)).argmax(axis=1) == labels
    return right


def right_on_die(program: Program, x: npt.NDArray[np.uint8], labels: npt.NDArray[Any], number: int) -> Bools:
    """Whether a die is right, (n,), read noise on."""
    right: Bools = Core(program).infer(x, seed=number).argmax(axis=1) == labels
    return right


def kept(in_float: Bools, on_dies: dict[str, Bools]) -> dict[str, Any]:
    """What a run keeps of one die, by state of it."""
    return {FLOAT: packed(in_float), **{what: packed(right, in_float) for what, right in on_dies.items()}}


def crossed_bits(results: Sequence[dict[str, Any]], what: str) -> npt.NDArray[np.float64]:
    """What is right in runs of one die each, (networks, dies, n).

    Parameters
    ----------
    results:
        Runs with ``seed`` (of the network), ``die``, ``samples`` and what ``kept`` gives. Of dies that not
        every network has, the last ones are left out.
    what:
        ``FLOAT`` or the name of a state.
    """
    of_network: dict[int, list[Bools]] = {}
    for r in results:
        in_float = unpacked(r[FLOAT], r["samples"])
        right = in_float if what == FLOAT else unpacked(r[what], r["samples"], in_float)
        of_network.setdefault(r["seed"], []).append(right)
    dies = min(len(of_dies) for of_dies in of_network.values())
    return np.array([of_dies[:dies] for of_dies in of_network.values()], np.float64)


def facts(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the intervals of such runs are taken over."""
    return {
        "interval": "95 %, bootstrap over networks, dies and samples",
        "networks": len({r["seed"] for r in results}),
        "dies": len({r["die"] for r in results}),
        "samples": results[0]["samples"],
        "bootstrap": bootstrap(CROSSED),
    }


def size(results: Sequence[dict[str, Any]]) -> str:
    """The same in words."""
    held = facts(results)
    return f"{held['networks']} networks x {held['dies']} dies x {held['samples']} samples"
