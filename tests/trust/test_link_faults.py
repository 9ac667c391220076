"""Programming and inference over a link that damages bytes: golden results or a typed error, nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from boards.board import Board
from boards.sim import SimLink
from emulator.golden import Core
from emulator.golden.random_program import random_program
from host import HostError
from host.links.uart import UartLink
from tests.faulty_link import FaultRates, FaultyLink
from tests.marks import long_where
from tests.stimulus import random_inputs
from tests.system.serving import MAIN
from tests.trust.faulted_work import TINY, work

RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Faults a byte; reads are delayed and split, and writes held back, at ten times the rate a call."""
PROGRAMMINGS = 8
"""At each rate, times ``scale``."""
TIMEOUT_S = 0.02
"""Simulated: 20,000 cycles, several times the longest answer."""
ATTEMPTS = 40
"""More than usual: at one fault in 100 bytes half the frames are damaged."""
TERMINAL_TIMEOUT_S = 0.5
"""Of real time: longer than the serving process sleeps between two looks."""


def programmings(rate: float, scale: int) -> int:
    """A quarter at the highest rate, where half of all frames are damaged and each takes many attempts."""
    return PROGRAMMINGS * scale // (4 if rate == max(RATES) else 1)


def terminal_rounds(scale: int) -> int:
    """Programmings through a pseudo-terminal, where time is real: 2, and 2 more for each 10 of the scale."""
    return 2 + 2 * (scale // 10)


@pytest.mark.parametrize("rate", long_where(RATES[-1].__eq__, RATES))
def test_no_wrong_number_from_a_damaged_link(rate: float, scale: int, counted: list[str]) -> None:
    link = FaultyLink(SimLink(TINY), FaultRates(), seed=round(1 / rate))
    with Board(link, timeout_s=TIMEOUT_S, attempts=ATTEMPTS) as board:
        tally = work(board, link, FaultRates.per_byte(rate), programmings(rate, scale), seed=round(1 / rate))
        statistics = board.session.statistics
    counted.append(f"link, {rate:g} faults a byte: {tally.line(link)}")
    assert tally.wrong == 0
    assert tally.programmings == programmings(rate, scale)
    if rate <= 1e-5:
        assert tally.refused_inferences == tally.refused_programmings == 0
    if rate >= 1e-3:
        assert tally.inferences > tally.refused_inferences
        assert statistics.damaged_frames > 0
        assert all(
            link.injected[name] > 0 for name in ("drop", "duplicate", "flip", "insert", "delay", "split")
        )


def test_no_wrong_number_through_a_terminal(scale: int, counted: list[str], tmp_path: Path) -> None:
    port = tmp_path / "port"
    command = [sys.executable, "-c", MAIN, "board", "serve", "--preset", "tiny"]
    with subprocess.Popen([*command, "--link", str(port)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == f"serving tiny on {port}\n"
            link = FaultyLink(UartLink(str(port)), FaultRates(), seed=7)
            with Board(link, timeout_s=TERMINAL_TIMEOUT_S) as board:
                tally = work(board, link, FaultRates.per_byte(1e-3), terminal_rounds(scale), seed=7)
        finally:
            server.terminate()
    counted.append(f"pseudo-terminal, 0.001 faults a byte: {tally.line(link)}")
    assert tally.wrong == 0
    assert tally.programmings == terminal_rounds(scale)
    assert tally.inferences > tally.refused_inferences


def test_a_cut_link_is_a_typed_error_and_no_more() -> None:
    link = FaultyLink(SimLink(TINY), FaultRates(), seed=3)
    rng = np.random.default_rng(3)
    program = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    x = random_inputs(program, rng, 40)
    expected = Core(program).infer(x, seed=1)
    cuts = 0
    with Board(link, timeout_s=TIMEOUT_S) as board:
        board.program(program)
        link.rates = FaultRates(disconnect=0.01)
        for _ in range(20):
            try:
                np.testing.assert_array_equal(board.infer(x, seed=1), expected)
            except HostError:
                cuts += 1
        link.rates = FaultRates()
        np.testing.assert_array_equal(board.infer(x, seed=1), expected)
    assert cuts == link.injected["disconnect"] > 0


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"fault rate drop is .*; accepted: 0 to 1"):
        FaultRates(drop=rate)
