"""All boards by name."""

from ndrite.boards.fpga import colorlight, ecpix5, icebreaker, orangecrab, tang_nano, ulx3s
from ndrite.boards.fpga.target import Target
from ndrite.host.errors import InputError

TARGETS: dict[str, Target] = {
    board.name: board
    for module in (ulx3s, colorlight, orangecrab, ecpix5, icebreaker, tang_nano)
    for board in module.TARGETS
}


def find_target(name: str) -> Target:
    """The board called ``name``. Raises InputError when there is none; the message lists them."""
    if name not in TARGETS:
        raise InputError(f"board is {name!r}; accepted: {', '.join(TARGETS)}")
    return TARGETS[name]
