"""The simulated board equals the golden one in every bit, whatever the geometry, the
seed or the stalls; the demo's acceptance figures."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite import connect
from ndrite.boards.board import Board
from ndrite.boards.selftest import checks_of
from ndrite.boards.sim import SimLink
from ndrite.boards.sim.build import DEFAULT_DIVISOR, simulated_id
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.evaluations import evaluate
from ndrite.host import BoardApi
from ndrite.shell.main import OK, run
from tests.stimulus import inferred, ran, random_inputs


def test_identity_and_selftest(tiny: tuple[Board, SimLink], capsys: pytest.CaptureFixture[str]) -> None:
    board, _ = tiny
    assert board.geometry == PRESETS["tiny"]
    assert board.build_id == simulated_id(board.geometry)
    checks = list(checks_of(board))
    assert [c for c in checks if not c.passed] == []
    assert len(checks) == 23
    assert run(["board", "info", "sim:tiny", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["build_id"] == f"{board.build_id:016x}"


def equals_golden(board: BoardApi, program: Program, x: np.ndarray, labels: np.ndarray) -> None:
    """Noise follows seed and number of the inference, and nothing else; without it the
    answers are others."""
    third = len(x) // 3
    board.program(program)
    result = evaluate(board, program, x, labels, seed=5)
    assert result.mismatches == 0, result.first_mismatch
    np.testing.assert_array_equal(inferred(board, program, x, seed=5), result.outputs)
    part = board.infer(x[third : third + 2], seed=5, first_index=third)
    np.testing.assert_array_equal(part, result.outputs[third : third + 2])
    assert (board.infer(x, seed=6) != result.outputs).any(axis=1).all()
    inferred(board, program, x, seed=5, noise=False)


@pytest.mark.parametrize("preset", [pytest.param("64-lane", marks=pytest.mark.long), "tiny"])
def test_a_small_network_at_any_lanes(preset: str, x: np.ndarray) -> None:
    rng = np.random.default_rng(11)
    program = random_program(PRESETS[preset], rng, sizes=(40, 11, 5), readout="adc", dac_bits=4, noise=True)
    with connect(f"sim:{preset}") as board:
        equals_golden(board, program, x, np.arange(len(x)) % 5)


@pytest.mark.long
def test_a_program_larger_than_the_usual_array() -> None:
    """784-300-100-10: twice the weights that geometry sim holds, in a board
    compiled to its size."""
    wide = dataclasses.replace(PRESETS["64-lane"], weight_depth=8192)
    rng = np.random.default_rng(3)
    program = random_program(wide, rng, sizes=(784, 300, 100, 10), readout="adc", dac_bits=8, noise=True)
    with connect("sim:") as board:
        board.program(program)
        assert board.geometry is not None
        assert board.geometry.hardware_fields() == wide.hardware_fields()
        inferred(board, program, random_inputs(program, rng, 4), seed=4)


def test_stalled_streams_change_nothing(tiny: tuple[Board, SimLink], program: Program, x: np.ndarray) -> None:
    board, link = tiny
    for stalls in ((0.5, 0.0), (0.0, 0.7), (0.4, 0.4)):
        link.model.stall(*stalls, seed=7)
        ran(board, program, x, seed=1)
    assert board.session.statistics.resyncs == 1


@pytest.mark.parametrize("weights_through_pins", [True, False])
def test_uart_pins(weights_through_pins: bool, program: Program, x: np.ndarray) -> None:
    """Weights may go in behind the pins; samples go through them."""
    link = SimLink(PRESETS["tiny"], pins=True)
    with Board(link) as board:

        def slow(act: Callable[[], object]) -> bool:
            """Whether each byte takes the cycles of its bits."""
            cycles, sent = link.model.cycles, board.session.statistics.bytes_sent
            act()
            sent = board.session.statistics.bytes_sent - sent
            return link.model.cycles - cycles > 10 * DEFAULT_DIVISOR * sent

        link.model.go(pins=weights_through_pins)
        assert slow(lambda: board.program(program)) == weights_through_pins
        link.model.go(pins=True)
        assert slow(lambda: inferred(board, program, x, seed=1))
        assert link.model.framing_errors == 0
        assert board.session.statistics.resyncs == 1


def test_interrupted_inference_leaves_a_usable_board(
    tiny: tuple[Board, SimLink], program: Program, x: np.ndarray
) -> None:
    board, _ = tiny
    board.program(program)

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.infer(x, progress=interrupt)
    inferred(board, program, x, seed=2)


@pytest.mark.parametrize("board", ["golden:64-lane", pytest.param("sim:", marks=pytest.mark.long)])
def test_demo(board: str, here: Path, said: Any) -> None:
    report = said(f"demo --board {board} --picture demo.png")
    assert report["mismatches"] == 0
    assert report["samples_golden"] == 10_000
    assert report["samples_rtl"] >= 500
    assert report["accuracy_float"] >= 0.887
    assert report["accuracy_float"] - report["accuracy_golden"] <= 0.0103
    assert report["accuracy_rtl"] == report["accuracy_golden_on_rtl_samples"]
    assert Path("demo.png").read_bytes().startswith(b"\x89PNG")
    if board == "sim:":
        assert report["array_busy"] >= 0.95
        # Rows of zeros are not passed over: of the products that are left it does so many.
        assert report["mac_use"] < 1 - report["zeros"] < 0.7
