"""Floorplan: where the lanes' multipliers and weight memories stand on an ECP5.

Multipliers come in few rows, which a wide array fills. Left alone, the placer gathers the lanes' registers on
one side of the chip and reaches multipliers on the other, a chip's width away. So lanes are laid out in the
order in which they hand on what is broadcast: along one row of multipliers, back along the next, each lane's
memory in the row of block RAMs above it.
"""

from __future__ import annotations

from dataclasses import dataclass

from boards.fpga.board import Board

ARRAY = "top.device.machine.core.array"
"""The array's name in the flattened netlist."""
_BLOCK_COLUMNS = 9
_SITES_A_BLOCK = 4
_FIRST_COLUMN = 4
_MULTIPLIER_OFFSETS = (0, 1, 4, 5)
_MEMORY_OFFSETS = (0, 2, 4, 6)


@dataclass(frozen=True)
class Die:
    """Sites of one die: ``sites`` multipliers and as many block RAMs a row, the columns widened by two from
    ``gap`` on, and the (multiplier, block RAM) rows used, from the one beside the pins."""

    sites: int
    gap: int
    rows: tuple[tuple[int, int], ...]

    def column(self, site: int) -> int:
        """First column of the block of four sites that ``site`` is in."""
        block = site // _SITES_A_BLOCK
        return _FIRST_COLUMN + _BLOCK_COLUMNS * block + (2 if site >= self.gap else 0)


DIES = {
    "85k": Die(sites=52, gap=28, rows=((58, 70), (34, 46), (10, 22))),
    "45k": Die(sites=36, gap=16, rows=((46, 58), (22, 34))),
}


def places(board: Board) -> dict[str, str]:
    """Cell of the flattened netlist -> site, where a lane's memory is one block RAM; empty without a plan.

    Raises
    ------
    ValueError
        When the part has too few sites, or no sites are known of it.
    """
    g = board.geometry
    if board.lane_sites_from is None:
        return {}
    die = DIES.get(board.device)
    if die is None:
        raise ValueError(f"board {board.name!r}: no floorplan for {board.device}; known: {', '.join(DIES)}")
    first = board.lane_sites_from
    path = []
    for number, row in enumerate(die.rows):
        sites = range(die.sites) if number % 2 == 0 else range(die.sites - 1, -1, -1)
        path += [(row, site) for site in sites]
    path = path[first:]
    most = die.sites * len(die.rows) - g.lanes
    if not 0 <= first <= most:
        raise ValueError(f"board {board.name!r}: lane_sites_from is {first}; accepted: 0..{most}")
    found = {}
    for lane, ((multipliers, memories), site) in zip(range(g.lanes), path, strict=False):
        column, kind = die.column(site), site % _SITES_A_BLOCK
        if g.slices == 1:
            offset = _MULTIPLIER_OFFSETS[kind]
            cell = f"{ARRAY}.lane_{lane}.multiplier.multiplier"
            found[cell] = f"X{column + offset}/Y{multipliers}/MULT18_{offset}"
        cell = f"{ARRAY}.lane_{lane}.memory.block_0_0_0"
        found[cell] = f"X{column + _MEMORY_OFFSETS[kind]}/Y{memories}/EBR{kind}"
    return found
