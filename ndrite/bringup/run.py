"""Every check of a board in order; what cannot be reached any more is said, not left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from boards.board import Board
from emulator.spec import Geometry
from host import HostError
from ndrite.bringup import checks
from ndrite.bringup.ways import StageFailed, Way
from ndrite.selftest import Check, checks_of, networks_of

INFERENCES = 500
SPEED_INFERENCES = 50
STAGES = ("bitstream", "loading", "connection", "identity", "link", "self test", "noise", "faults", "speed")


def stages_of(way: Way, *, inferences: int = INFERENCES, seed: int = 0) -> Iterator[tuple[str, Check]]:
    """Stage and check, one after the other, of the board at the end of ``way``.

    ``inferences`` random ones, at least, are compared with the golden model. A stage that ends all the
    others is followed by one failed check for each that was not reached. The board is closed at the end.
    """
    board, stage = None, STAGES[0]
    try:
        build_id, said = way.bitstream()
        yield stage, Check(stage, True, said)
        stage = "loading"
        yield stage, Check(stage, True, way.load())
        stage = "connection"
        board = way.open()
        yield stage, Check(stage, True, f"protocol {board.identity()['protocol']}")
        rng = np.random.default_rng(seed)
        for stage, work in _of_a_board(board, way.target.geometry, build_id, inferences, rng):
            for check in work():
                yield stage, check
    except (StageFailed, HostError) as error:
        yield stage, Check(stage, False, str(error))
        for later in STAGES[STAGES.index(stage) + 1 :]:
            yield later, Check(later, False, f"not reached: {stage} failed")
    finally:
        if board is not None:
            board.channel.close()


def _of_a_board(
    board: Board, geometry: Geometry, build_id: int, inferences: int, rng: np.random.Generator
) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
    each = -(-inferences // networks_of(board.geometry))
    test_seed = int(rng.integers(0, 1 << 31))
    yield "identity", lambda: checks.identity(board, geometry, build_id)
    board.clear_counters()
    before = checks.heard(board)
    yield "link", lambda: [checks.round_trips(board, rng)]
    yield "self test", lambda: checks_of(board, seed=test_seed, inferences=each)
    if board.geometry.noise:
        yield "noise", lambda: [checks.noise(board, rng)]
    # Before the counters are cleared to measure speed.
    yield "faults", lambda: [checks.faults(board, before)]
    yield "speed", lambda: [checks.speed(board, SPEED_INFERENCES, rng)]
