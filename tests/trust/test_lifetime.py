"""Long runs, boards that come and go, and bits that flip in the simulated memories:
found, named, repaired; a run that hangs ends with a status."""

import contextlib
import dataclasses
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ndrite import connect
from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.memory_map import address
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.variation import Campaign
from ndrite.hdl.device.watchdog import watchdog_cycles
from ndrite.host import DeviceError, HostError, LinkError, NotProgrammedError
from ndrite.shell.main import DEVICE, FAILED_CHECK, OK, run
from tests.stimulus import flip, hang, inferred, ran, random_inputs, varied, voted
from tests.system.serving import Server

TINY = PRESETS["tiny"]
SOAK, BATCH = 3_500, 250
"""Inferences of the soak, times ``scale``: 105,000 at 30."""
GROWTH_BYTES = 4 << 20
"""Allowed between a tenth of the soak and its end."""


def resident_bytes() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_soak_in_constant_memory(scale: int, counted: list[str]) -> None:
    rng = np.random.default_rng(8)
    program = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    core = Core(program)
    total = SOAK * scale
    early = 0
    with Board(SimLink(TINY)) as board:
        board.program(program)
        for start in range(0, total, BATCH):
            x = random_inputs(program, rng, BATCH)
            y = board.infer(x, seed=start)
            np.testing.assert_array_equal(y, core.infer(x, seed=start))
            if not early and start >= total // 10:
                early = resident_bytes()
        growth = resident_bytes() - early
        resyncs = board.session.statistics.resyncs
    counted.append(f"soak: {total:,} inferences equal golden, memory grew by {growth / 1024:,.0f} KiB")
    assert resyncs == 1, "only the one that opens the session"
    assert growth < GROWTH_BYTES


@pytest.mark.long
def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    program = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    x = random_inputs(program, rng, 5)
    port = tmp_path / "port"
    url = f"uart:{port}"
    with Server("tiny", port) as first, connect(url) as board:
        ran(board, program, x, seed=2)
        first.stop(signal.SIGKILL)
        with pytest.raises(LinkError):
            board.infer(x, seed=2)
    port.unlink(missing_ok=True)
    with Server("tiny", port), connect(url) as again:
        with pytest.raises(HostError, match="program"):
            again.infer(x, seed=2)
        ran(again, program, x, seed=2)


PER_SECTION = 2
HANG_S = 2 * watchdog_cycles(TINY) / 1e6
"""Simulated seconds in which the watchdog must have answered."""


@pytest.fixture(scope="module")
def program() -> Program:
    return random_program(TINY, np.random.default_rng(5), sizes=(12, 6, 3), noise=True)


@pytest.fixture
def board() -> Iterator[Board]:
    with Board(SimLink(TINY), timeout_s=HANG_S) as board:
        yield board


@pytest.mark.long
def test_every_memory_is_watched(board: Board, program: Program, scale: int, counted: list[str]) -> None:
    rng = np.random.default_rng(6)
    board.program(program)
    assert board.scrub(program) == []
    flipped = 0
    for section in lay_out(program, TINY):
        for _ in range(PER_SECTION * scale):
            offset = int(rng.integers(section.words.size))
            before = int(board.read_words(section.address + offset, 1)[0])
            flip(board, section.address + offset, 0)
            if int(board.read_words(section.address + offset, 1)[0]) == before:
                continue  # a bit the memory does not have
            flipped += 1
            (upset,) = board.scrub(program)
            assert (upset.section, upset.address, upset.words) == (section.name, section.address + offset, 1)
            assert upset.bits >= 1
            assert section.name in str(upset)
            assert board.scrub(program) == []
    inferred(board, program, random_inputs(program, rng, 3), seed=2)
    assert flipped >= len(lay_out(program, TINY)) * PER_SECTION * scale // 2
    counted.append(f"upsets: {flipped} bits flipped, each found, named and repaired")


@pytest.mark.long
def test_a_run_that_hangs(board: Board, program: Program) -> None:
    """The last layer's mark is lost: the sequencer goes round for ever, and the
    watchdog ends it."""
    x = random_inputs(program, np.random.default_rng(7), 4)
    board.program(program)
    for _ in range(2):
        hang(board, program)
        with pytest.raises(DeviceError, match="hung; the watchdog has reset the core") as caught:
            board.infer(x, seed=2)
        assert caught.value.status == Status.HUNG
        with pytest.raises(NotProgrammedError, match="no longer holds"):
            board.infer(x, seed=2)
        ran(board, program, x, seed=2)
    assert board.counters()["watchdog_resets"] == 2


@pytest.mark.long
def test_a_campaign_that_hangs(board: Board) -> None:
    rng = np.random.default_rng(8)
    drawn = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    program = dataclasses.replace(drawn, variation=varied(rng))
    x, labels = random_inputs(program, rng, 4), rng.integers(0, 3, 4)
    board.program(program)
    hang(board, program)
    with pytest.raises(HostError, match="the device ended the campaign after 0 of 3 virtual chips"):
        board.campaign(x, labels, Campaign(chips=3, seed=1))
    board.program(program)
    voted(board, program, x, labels, Campaign(chips=3, seed=1))
    assert board.counters()["watchdog_resets"] >= 1


def test_scrub_command(program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.save(tmp_path / "program.npz")
    command = ["board", "scrub", str(tmp_path / "program.npz"), "--board", "sim:tiny"]
    assert run(command) == DEVICE
    assert "does not hold program" in capsys.readouterr().err
    link = SimLink(TINY)
    with Board(link) as board, pytest.MonkeyPatch.context() as patch:
        board.program(program)
        flip(board, address("weights"), 0)
        patch.setattr("ndrite.verbs.board.connect", lambda url: contextlib.nullcontext(board))
        assert run([*command, "--json"]) == FAILED_CHECK
        said = capsys.readouterr()
        (upset,) = json.loads(said.out)["upsets"]
        assert (upset["section"], upset["bits"]) == ("weights of lane 0", 1)
        assert "weights of lane 0: 1 bits in 1 words changed" in said.err
        assert run(command) == OK
        assert "1 looks, 0 changed sections" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lost", "said"), [("power", "reset or without power"), ("session", "another host has opened the board")]
)
def test_a_board_that_lost_power_or_was_opened_by_another_host(
    program: Program, lost: str, said: str
) -> None:
    link, other = SimLink(TINY), SimLink(TINY)
    with Board(link) as board:
        board.program(program)
        x = random_inputs(program, np.random.default_rng(9), 2)
        board.infer(x)
        if lost == "power":
            link.model, other.model = other.model, link.model
        else:
            Board(link)
        with pytest.raises(NotProgrammedError, match=said):
            board.infer(x)
    other.close()
