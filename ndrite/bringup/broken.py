"""Simulated boards with one fault each, to see what a bring-up says of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boards.board import Board
from host.links import Link

FAULTS = ("build-id", "link", "memory", "arithmetic", "noise")
EVERY = 1000
"""One write in so many is damaged on the way."""


class NoisyLink:
    """A link that flips a bit in one of ``EVERY`` writes."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sent = 0

    @property
    def narrow(self) -> bool:
        """As the link's."""
        return self._link.narrow

    @property
    def live(self) -> bool:
        """As the link's."""
        return self._link.live

    def write(self, data: bytes) -> None:
        """Send; see the class."""
        self._sent += 1
        if self._sent % EVERY == 0 and len(data) > 4:
            data = data[:3] + bytes([data[3] ^ 0x10]) + data[4:]
        self._link.write(data)

    def read(self, timeout_s: float) -> bytes:
        """What came."""
        return self._link.read(timeout_s)

    def wait(self, seconds: float) -> None:
        """Let the device work."""
        self._link.wait(seconds)

    def close(self) -> None:
        """Release the device."""
        self._link.close()


class BrokenBoard(Board):
    """A board with ``fault``, one of ``FAULTS`` other than the link's."""

    fault = ""

    @property
    def build_id(self) -> int:
        return super().build_id ^ (self.fault == "build-id")

    def write_words(self, first: int, words: npt.NDArray[np.int32]) -> None:
        if self.fault == "memory":  # a bit that sticks
            words = words.copy()
            words[len(words) // 2] ^= 1
        super().write_words(first, words)

    def infer(self, x: npt.NDArray[np.uint8], *, noise: bool = True, **options: Any) -> npt.NDArray[np.int32]:
        y = super().infer(x, noise=noise and self.fault != "noise", **options)
        if self.fault == "arithmetic":
            y[len(y) // 2, -1] ^= 1
        return y


def broken_board(link: Link, fault: str, *, timeout_s: float) -> Board:
    """The board behind ``link``, with ``fault``."""
    if fault == "link":
        return Board(NoisyLink(link), timeout_s=timeout_s)
    board = BrokenBoard(link, timeout_s=timeout_s)
    board.fault = fault
    return board
