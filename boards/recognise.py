"""Whether a device was made of the sources as they stand."""

from collections.abc import Callable, Iterator
from functools import partial

from boards.fpga.registry import TARGETS
from boards.fpga.reports import board_netlist
from boards.fpga.target import Target
from boards.netlist import build_id
from boards.sim.build import simulated_id
from boards.sim.link import Design
from boards.sim.pcie import card_id
from boards.sim.udp import udp_id
from emulator.spec import Geometry


def is_of_these_sources(geometry: Geometry, identity: int) -> bool:
    """Whether build id ``identity`` is that of a board, simulated or not, which reports ``geometry``.

    Seconds for every such design the first time after a change of the sources.
    """
    return any(made() == identity for made in _designs(geometry))


def _designs(geometry: Geometry) -> Iterator[Callable[[], int]]:
    yield partial(simulated_id, geometry)
    for board in TARGETS.values():
        if board.geometry.hardware_fields() == geometry.hardware_fields():
            yield partial(_board_id, board)
    if geometry.redraw == 0:
        yield partial(simulated_id, geometry, platform=Design(small=True))
    yield partial(udp_id, geometry)
    yield partial(card_id, geometry)


def _board_id(board: Target) -> int:
    return build_id(board_netlist(board))
