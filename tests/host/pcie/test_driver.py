"""The PCIe driver on the compiled endpoint: whole inferences, faults, recovery;
and its messages."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.sim.pcie import BlockCard, SimCard
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.memory_map import address
from ndrite.emulator.spec.variation import Campaign
from ndrite.host import DeviceError, HostError, LinkError, LinkTimeout, NotProgrammedError
from ndrite.host.links.pcie import PciDevice, PcieChannel
from tests.stimulus import hang, inferred, ran, random_inputs, varied, voted

pytestmark = pytest.mark.long

TINY = PRESETS["tiny"]
PROGRAM = random_program(TINY, np.random.default_rng(1), sizes=(37, 9, 5))
X = random_inputs(PROGRAM, np.random.default_rng(2), 100)


@pytest.fixture(scope="module", params=[SimCard, BlockCard], ids=["streams", "block"])
def card(request: pytest.FixtureRequest) -> SimCard:
    """At the endpoint's streams, and behind adapter and model of a hard block."""
    made: SimCard = request.param(TINY)
    return made


@pytest.fixture(scope="module")
def board(card: SimCard) -> Iterator[Board]:
    with Board.over(PcieChannel(card)) as opened:
        yield opened


def works(board: Board) -> None:
    ran(board, PROGRAM, X, seed=3, first_index=9)


def test_hundred_images_equal_golden(board: Board, card: SimCard) -> None:
    assert isinstance(card, PciDevice)
    seen: list[int] = []
    board.program(PROGRAM)
    board.clear_counters()
    y = board.infer(X, seed=3, first_index=9, progress=lambda done, total: seen.append(done))
    np.testing.assert_array_equal(y, inferred(board, PROGRAM, X, seed=3, first_index=9))
    assert seen[-1] == 100
    assert board.counters()["inferences"] == 2 * 100
    assert card.counters()["stray"] == 0


@pytest.mark.parametrize(
    "how",
    [
        # Without interrupts records are polled.
        {"msi": False},
        *({"max_payload": payload, "max_read": size} for payload in (0, 2) for size in (0, 5)),
    ],
)
def test_slow_links_size_codes_and_no_interrupts(board: Board, card: SimCard, how: dict[str, int]) -> None:
    card.configure(**how)
    if "max_read" in how:
        card.link(rate=4, latency=90, every_boundary=how["max_read"] == 0)
    works(board)
    card.link(rate=0, latency=0)
    card.configure()


@pytest.mark.parametrize(
    ("break_it", "error", "seconds"),
    [
        (lambda card: card.fault(refuse=3), LinkError, 0.1),
        (lambda card: card.fault(lose=3), LinkTimeout, 2.1),
        (lambda card: card.fault(gone=3000), LinkError, 0.1),
        (lambda card: card.configure(bus_master=False), LinkError, 0.1),
    ],
)
def test_faults_are_raised_in_time_and_overcome(
    board: Board, card: SimCard, break_it: Callable[[SimCard], None], error: type[HostError], seconds: float
) -> None:
    works(board)
    begun = card.now()
    break_it(card)
    with pytest.raises(error, match="simulated card: "):
        board.infer(X, seed=3)
    assert card.now() - begun < seconds
    card.fault()
    card.configure()
    works(board)


@pytest.mark.parametrize("images", [1, 2, 3, 100])  # as many as the banks that are left with something
def test_a_run_that_hangs_is_said_and_overcome(board: Board, images: int) -> None:
    """The last layer's mark is lost: the sequencer goes round for ever, and the
    watchdog ends it."""
    board.program(PROGRAM)
    board.infer(X[:images], seed=3)  # the turn is no longer the first bank's
    hang(board, PROGRAM)
    with pytest.raises(HostError, match="hung"):
        board.infer(X[:images], seed=3)
    works(board)


def test_campaigns_vote_as_golden(board: Board) -> None:
    rng = np.random.default_rng(4)
    drawn = random_program(TINY, rng, sizes=(20, 8, 4), noise=True)
    program = dataclasses.replace(drawn, variation=varied(rng))
    x, labels = random_inputs(program, rng, 12), rng.integers(0, 4, 12)
    board.program(program)
    voted(board, program, x, labels, Campaign(chips=3, trials=2, seed=11))
    works(board)


def test_words_registers_and_a_lost_program(board: Board) -> None:
    board.program(PROGRAM)
    words = np.array([-1, 5, -7], np.int32)
    board.write_words(address("bias"), words)
    np.testing.assert_array_equal(board.read_words(address("bias"), 3), words)
    end = address("layers", 8 * TINY.layers)
    with pytest.raises(DeviceError, match=f"read of 2 at {end - 1:#010x}: bad address"):
        board.read_words(end - 1, 2)
    with pytest.raises(DeviceError, match=f"write of words at {end - 1:#010x}: bad address"):
        board.write_words(end - 1, words)
    board.program(PROGRAM)
    board.write_register("scratch", 0xFFFFFFFF)
    assert board.read_register("scratch") == 0xFFFFFFFF
    board.write_register("program_tag", 0)
    with pytest.raises(NotProgrammedError):
        board.infer(X)
