"""Boards as workers: simulated ones, each a process on a terminal of its own, one
of which is killed."""

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.variation import Campaign, Variation
from tests.stimulus import same_cells
from tests.system.serving import Server

CHIPS, RANGE, SAMPLES = 10, 2, 6


@pytest.mark.long
def test_boards_share_a_campaign_and_one_that_goes_away_gives_its_run_back(
    here: Path, program: Program, x: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    sigma = np.full(256, 4000, np.uint16)
    varied = dataclasses.replace(program, variation=Variation(mean=same_cells().mean, sigma=sigma))
    x, labels = x[:SAMPLES], np.random.default_rng(3).integers(0, 5, SAMPLES)
    monkeypatch.setattr("ndrite.wafers.INFERENCES", RANGE * SAMPLES)
    said: list[str] = []
    with Server("tiny", here / "first") as first, Server("tiny", here / "second") as second:

        @contextlib.contextmanager
        def stage(name: str) -> Iterator[Callable[[int, int], None]]:
            def report(done: int, total: int) -> None:
                if done == 2:
                    first.process.send_signal(signal.SIGKILL)
                    first.process.wait()

            yield report

        boards = [f"uart:{first.url}", f"uart:{second.url}"]
        how: dict[str, Any] = {"board": boards, "progress": stage, "announce": said.append}
        got = ndrite.campaign(varied, x, labels, chips=CHIPS, seed=5, **how)
        with ndrite.connect(boards[1]):
            pass  # its process has let go of it
    expected = campaign(varied, x, labels, Campaign(chips=CHIPS, seed=5))
    np.testing.assert_array_equal(got.votes.votes, expected.votes)
    np.testing.assert_array_equal(got.votes.correct, expected.correct)
    (line,) = said
    assert line.startswith(f"lost board {boards[0]} (")
    assert line.endswith("; its run is done again")
