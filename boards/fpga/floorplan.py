"""Floorplan: positions of the lanes' multipliers and weight memories on an ECP5.

Multipliers come in few rows, which a wide array fills. Left alone, the placer gathers
the lanes' registers on one side of the chip and reaches multipliers on the other, a
chip's width away. So lanes are laid out in the order in which they hand on what is
broadcast: along one row of multipliers, back along the next, each lane's memory in the
row of block RAMs above it. What feeds the first lane and what reads it out stands
before it in the first row, or it would be drawn out along the whole array.
"""

from dataclasses import dataclass
from fnmatch import fnmatch

from ndrite.boards.fpga.pcie_target import Buildable
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.geometry import WORD_ROWS

MACHINE = "top.device.machine"
"""The accelerator's name in the flattened netlist."""
CORE = f"{MACHINE}.core"
_BLOCK_COLUMNS = 9
_SITES_A_BLOCK = 4
_FIRST_COLUMN = 4
_MULTIPLIER_OFFSETS = (0, 1, 4, 5)
_MEMORY_OFFSETS = (0, 2, 4, 6)


@dataclass(frozen=True)
class Sites:
    """The multiplier and block RAM sites of one FPGA die: each row of multipliers has
    ``sites`` sites, and so has each row of block RAMs. From site ``gap`` on, column
    numbers are two higher. ``rows``: pairs of a multiplier row and a block RAM row that
    are used, the pair nearest to the pins first."""

    sites: int
    gap: int
    rows: tuple[tuple[int, int], ...]

    def column(self, site: int) -> int:
        """Return the first column of the group of four sites that contains ``site``."""
        block = site // _SITES_A_BLOCK
        return _FIRST_COLUMN + _BLOCK_COLUMNS * block + (2 if site >= self.gap else 0)


_85K = Sites(sites=52, gap=28, rows=((58, 70), (34, 46), (10, 22)))
SITES = {
    "85k": _85K,
    "um5g-85k": _85K,
    "45k": Sites(sites=36, gap=16, rows=((46, 58), (22, 34))),
}


def places(board: Buildable) -> dict[str, str]:
    """Return the site for each cell that the floorplan places, by the cell's name (or
    pattern) in the flattened netlist; empty for a board without a floorplan.

    A lane's memory is one block RAM, a neuron's curve table two side by side: other
    geometries have no plan, which the synthesis script finds out by counting.

    Raises
    ------
    ValueError
        When the part has too few sites, or no sites are known of it.
    """
    g = board.geometry
    if board.lane_sites_from is None:
        return {}
    die = SITES.get(board.device)
    if die is None:
        raise ValueError(f"board {board.name!r}: no floorplan for {board.device}; known: {', '.join(SITES)}")
    first, soft = board.lane_sites_from, [f"{name}.*" for name in board.soft_multipliers]
    lanes, rest_memories = (_learning_lanes(g), []) if board.learns else (_lanes(g), _rest_multipliers(g))
    hard_cells = [c for c in rest_memories if not any(fnmatch(f"core.{c}", name) for name in soft)]
    path = []
    for number, row in enumerate(die.rows):
        sites = range(die.sites) if number % 2 == 0 else range(die.sites - 1, -1, -1)
        path += [(row, site) for site in sites]
    spare_sites = die.sites * len(die.rows) - g.lanes
    if not len(hard_cells) <= first <= spare_sites:
        raise ValueError(
            f"board {board.name!r}: lane_sites_from is {first}; accepted: {len(hard_cells)}..{spare_sites}"
        )
    place_of = {}
    spread = [f"{name.partition('/')[0]}.*" for style, name in board.memory_styles if style == "distributed"]
    rest_memories = [] if board.learns else _rest_memories(g)
    memories = [c for c in rest_memories if not any(fnmatch(f"core.{c}", name) for name in spread)]
    for cells, site_of in ((hard_cells, _multiplier), (memories, _memory)):
        for cell, (row, site) in zip(cells, reversed(path[:first]), strict=False):
            place_of[f"{CORE}.{cell}"] = site_of(die, row, site)
    for (multiplier, memory), (row, site) in zip(lanes, path[first:], strict=False):
        place_of[f"{CORE}.{multiplier}.multiplier"] = _multiplier(die, row, site)
        place_of[f"{CORE}.{memory}.block_0_0_0"] = _memory(die, row, site)
    return place_of


def _lanes(g: Geometry) -> list[tuple[str, str]]:
    """Return the names of the multiplier and the memory of each lane, in the order in
    which rows pass through the lanes."""
    return [(f"array.lane_{i}.multiplier", f"array.lane_{i}.memory") for i in range(g.lanes)]


def _learning_lanes(g: Geometry) -> list[tuple[str, str]]:
    """Return the names of the multiplier and the memory of each lane of a learning
    core, ordered so that lanes that share an updater are neighbours."""
    from ndrite.hdl.learn.lanes import group_count

    groups = group_count(g)
    order = [i for first in range(groups) for i in range(first, g.lanes, groups)]
    return [(f"lanes.multiplier_{i}", f"lanes.states_{i}") for i in order]


def _multiplier(die: Sites, row: tuple[int, int], site: int) -> str:
    offset = _MULTIPLIER_OFFSETS[site % _SITES_A_BLOCK]
    return f"X{die.column(site) + offset}/Y{row[0]}/MULT18_{offset}"


def _memory(die: Sites, row: tuple[int, int], site: int) -> str:
    kind = site % _SITES_A_BLOCK
    return f"X{die.column(site) + _MEMORY_OFFSETS[kind]}/Y{row[1]}/EBR{kind}"


def _rest_multipliers(g: Geometry) -> list[str]:
    """Return the names of the core's multipliers outside the lanes; those that belong
    next to the first lane come first."""
    cells = [f"scanner.square_{i}.multiplier" for i in range(WORD_ROWS) if g.noise]
    for i in range(g.readouts):
        cells += [f"readout.pipe_{i}.gain*.{half}.multiplier" for half in ("high", "low")]
        cells += [f"readout.pipe_{i}.noise.multiplier"] if g.noise else []
    for i in range(g.noise_units if g.noise else 0):
        cells += [f"noise.schedule.root_{i}.{half}.multiplier" for half in ("high", "low")]
    pipe = "neuron.pipe_0"
    return [*cells, *(f"{pipe}.{name}.multiplier" for name in ("line", "scaler.high", "scaler.low"))]


def _rest_memories(g: Geometry) -> list[str]:
    """Return the names of the core's block RAMs outside the lanes; those that belong
    next to the first lane come first."""
    cells = [f"{buffer}.memory.block_0_{low}" for buffer in ("inputs*", "activations") for low in (0, 4)]
    cells += [f"readout.gains_{i}.block_0_0_0" for i in range(g.readouts)]
    cells += [f"noise.samples.gaussian_{i}.table.block" for i in range(g.readouts) if g.noise]
    pipe, parts = "neuron.pipe_0", (0, 9) if g.curves * g.segments > 1024 else (0,)
    cells += [f"{pipe}.base.block_0_0_{low}" for low in parts]
    cells += [f"{pipe}.{table}.block_0_0_0" for table in ("bias", "settings")]
    return [*cells, *(f"{pipe}.slope.block_0_0_{low}" for low in parts), "results.memory.block_0_0_0"]
