"""All boards by name."""

from __future__ import annotations

from boards.fpga import colorlight, icebreaker, orangecrab, tang_nano, ulx3s, versa
from boards.fpga.board import Board
from host.errors import InputError

BOARDS: dict[str, Board] = {
    board.name: board
    for module in (ulx3s, colorlight, orangecrab, versa, icebreaker, tang_nano)
    for board in module.BOARDS
}


def find_board(name: str) -> Board:
    """The board called ``name``.

    Raises
    ------
    InputError
        When there is none; the message lists them.
    """
    if name not in BOARDS:
        raise InputError(f"board is {name!r}; accepted: {', '.join(BOARDS)}")
    return BOARDS[name]
