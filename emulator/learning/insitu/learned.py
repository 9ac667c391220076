"""learned: the result of learning in situ as a program, a die and a float
network like any other."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.learning.insitu.plan import Prepared
from ndrite.emulator.mapping import Die, MappedWeights, die_digest
from ndrite.emulator.mapping.cells import Cells
from ndrite.emulator.mapping.weights import conductance_codes
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Array
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.learning import WEIGHT_MAX, program_of

States = list[Array]


@record()
class LearnedChip:
    """A chip after learning: its program, its die, and the float network with
    the same weights."""

    program: Program
    die: Die
    network: Network


def learned(ready: Prepared, states: States, name: str, **provenance: Any) -> LearnedChip:
    """Build the chip that results when the learned devices are at ``states``.
    ``provenance`` records how these states were reached."""
    network = dataclasses.replace(ready.network(states), name=name)
    program = _used_curves(program_of(ready.learning, states))
    chip, bound, learned_die = ready.die.chip, ready.plan.bound, ready.die_at(states)
    arrays = tuple(
        dataclasses.replace(array, mapped=_mapped(layer.weights, chip, bound))
        for layer, array in zip(program.layers, learned_die.arrays, strict=True)
    )
    die = dataclasses.replace(learned_die, arrays=arrays, network=network.digest())
    origin = {
        "chip": chip.as_dict(),
        "network": {"name": name, "shape": network.widths, **network.provenance},
        "report": {"network": name, "chip": chip.name, "seed": die.seed},
        "seed": die.seed,
        "versions": {"numpy": np.__version__},
        "die": die_digest(die),
        **provenance,
    }
    meaning = dataclasses.replace(network.meaning, output_step=float(die.arrays[-1].step[0]))
    return LearnedChip(
        dataclasses.replace(program, name=name, provenance=origin, meaning=meaning), die, network
    )


def _used_curves(program: Program) -> Program:
    """Return the program without the curves that no neuron's ECRAM selects."""
    used = np.unique(np.concatenate([layer.curve for layer in program.layers]))
    layers = [
        dataclasses.replace(layer, curve=np.searchsorted(used, layer.curve).astype(np.uint16))
        for layer in program.layers
    ]
    return program.with_layers(
        layers, curve_base=program.curve_base[used], curve_slope=program.curve_slope[used]
    )


def _mapped(codes: npt.NDArray[np.int16], chip: Chip, bound: float) -> MappedWeights:
    """Return the mapped weights of cells that hold the weight codes ``codes`` exactly."""
    scale = chip.cell.g_max_uS
    w = codes.astype(np.float64) * (scale / WEIGHT_MAX)
    target = np.maximum(np.stack([w, -w]), 0.0)
    cells = Cells.fresh(target, target, np.zeros(target.shape, np.int8), np.zeros(target.shape)).at(chip)
    cell_codes, saturated = conductance_codes(cells, WEIGHT_MAX, scale)
    columns = codes.shape[1]
    return MappedWeights(
        levels=codes,
        cells=cells,
        codes=cell_codes,
        limits=np.full(columns, bound),
        unit=np.full(columns, bound / WEIGHT_MAX),
        full_scale_uS=scale,
        saturated=saturated,
        limited=0,
    )
