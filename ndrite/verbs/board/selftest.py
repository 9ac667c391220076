"""selftest: test a board's registers, memories and arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ndrite.results import Result, Table
from ndrite.selftest import Check, checks_of
from ndrite.signature import Board, Whole, verb
from ndrite.url import connect


@dataclass(frozen=True)
class Tested(Result):
    """Every check of a board."""

    board: str
    checks: tuple[Check, ...]

    @property
    def failure(self) -> str | None:
        """How many failed."""
        failed = sum(not check.passed for check in self.checks)
        return f"{failed} of {len(self.checks)} checks failed" if failed else None

    def as_dict(self) -> dict[str, Any]:
        """All of them."""
        failed = sum(not check.passed for check in self.checks)
        return {"board": self.board, "failed": failed, "checks": [c.as_dict() for c in self.checks]}

    def tables(self) -> Iterable[Table]:
        """A line a check."""
        rows = [(c.name, "ok" if c.passed else "FAIL", c.seen) for c in self.checks]
        yield Table(f"self test of {self.board}", ("check", "result", "seen"), rows)


@verb
def selftest(board: Board, /, *, seed: Whole = 0, announce: Callable[[str], None] | None = None) -> Tested:
    """Test a board's registers, memories and arithmetic.

    Against the golden model, bit for bit. Every word of every memory, then random networks. What was
    programmed on the board is lost. Exit code 1 when any check fails.

    Parameters
    ----------
    board:
        URL of the board.
    seed:
        Seed of the test data.
    announce:
        Told of every check as it ends.

    Examples
    --------
    $ ndrite board selftest sim:tiny
    """
    found = []
    with connect(board) as chosen:
        for check in checks_of(chosen, seed=seed):
            found.append(check)
            if announce is not None:
                announce(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.seen}")
    return Tested(board, tuple(found))
