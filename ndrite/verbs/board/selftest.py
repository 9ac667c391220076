"""selftest: test a board's registers, memories and arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from ndrite.results import Found, Table
from ndrite.selftest import checks_of
from ndrite.signature import Board, Whole, verb
from ndrite.url import connect


@verb
def selftest(board: Board, /, *, seed: Whole = 0, announce: Callable[[str], None] | None = None) -> Found:
    """Test a board's registers, memories and arithmetic.

    Against the golden model, bit for bit. Every word of every memory, then random networks. What was
    programmed on the board is lost. Exit code 1 when any check fails.

    Parameters
    ----------
    board:
        URL of the board.
    seed:
        Seed of the test data.

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
    failed = sum(not check.passed for check in found)
    rows = [(c.name, "ok" if c.passed else "FAIL", c.seen) for c in found]
    return Found(
        {"board": board, "failed": failed, "checks": [c.as_dict() for c in found]},
        (Table(f"self test of {board}", ("check", "result", "seen"), rows),),
        failed=f"{failed} of {len(found)} checks failed" if failed else None,
    )
