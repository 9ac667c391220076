"""Limits of a board: which programs it can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.memory_map import region_words
from ndrite.host.api import BoardApi, Progress


@dataclass(frozen=True)
class Abilities:
    """The limits of a board: ``most_weights`` is the number of weights that its
    array stores (None: no limit), and ``check`` raises GeometryError for a program
    that does not fit."""

    most_weights: int | None
    check: Callable[[Program], object]

    @classmethod
    def of(cls, geometry: Geometry) -> Abilities:
        """Return the limits of an array of ``geometry``."""
        return cls(region_words(geometry)["weights"], lambda program: check_fits(program, geometry))


def behind(board: object) -> Iterator[object]:
    """Yield a board, then the board that it wraps (its ``device``), then the board that
    this wraps, and so on to the innermost."""
    yield board
    while (inner := getattr(board, "device", board)) is not board:
        yield inner
        board = inner


class Holder(Protocol):
    """Interface of a board that holds one program at a time and states which programs
    fit; the board's ``device`` runs the program."""

    @property
    def abilities(self) -> Abilities: ...

    @property
    def device(self) -> BoardApi: ...

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        """Put ``program`` on the board, as ``BoardApi.program`` does."""

    def close(self) -> None:
        """Release the board, as ``BoardApi.close`` does."""
