"""All boards by name."""

from collections.abc import Mapping
from typing import TypeVar

from ndrite.boards.fpga import artix7, colorlight, ecpix5, icebreaker, orangecrab, tang_nano, ulx3s
from ndrite.boards.fpga.pcie_target import Buildable, PcieTarget
from ndrite.boards.fpga.target import Target
from ndrite.host.errors import InputError

Kind = TypeVar("Kind")

TARGETS: dict[str, Target] = {
    board.name: board
    for module in (ulx3s, colorlight, orangecrab, ecpix5, icebreaker, tang_nano)
    for board in module.TARGETS
}

CARDS: dict[str, PcieTarget] = {card.name: card for card in artix7.TARGETS}
"""PCIe cards by name. They can be built but not flashed or opened, since no bitstream
was made for them yet."""

BUILDABLE: dict[str, Buildable] = {**TARGETS, **CARDS}


def find_buildable(name: str) -> Buildable:
    """Return the board or card called ``name``. Raises InputError when there is none;
    the message lists them."""
    return _named(name, BUILDABLE)


def find_target(name: str) -> Target:
    """Return the board called ``name``. Raises InputError when there is none; the
    message lists them."""
    return _named(name, TARGETS)


def _named(name: str, boards: Mapping[str, Kind]) -> Kind:
    if name not in boards:
        raise InputError(f"board is {name!r}; accepted: {', '.join(boards)}")
    return boards[name]
