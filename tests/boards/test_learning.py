"""A board that learns, works, then fails, and comes back: no update is done twice,
none is left out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndrite.boards.learning import LearningBoard
from ndrite.boards.sim.sizing import sized_learning
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.learning import Counts, Learning
from ndrite.emulator.spec.learning_map import LEARNING_MAP
from ndrite.emulator.spec.memory_map import REGION_SHIFT, address
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.host import IdentityError, InputError, LinkTimeout, NotProgrammedError, ProtocolError
from ndrite.host.packets import Request
from tests.host.learning_responder import LearningResponder
from tests.host.responder import ResponderLink
from tests.random_learning import random_learning
from tests.stimulus import random_inputs

BASE = Geometry(rows=16, lanes=16, curves=16)
COUNT, FIRST = 90, 7


class FadingLink(ResponderLink):
    """The device's answers are lost from its update number ``last`` on, and what is
    sent to it after them."""

    device: LearningResponder
    last = 1 << 32
    last_is_answered = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.device.updates >= self.last and not self.silent:
            self.silent = True
            if not self.last_is_answered:
                self._chunks.pop()


@pytest.fixture(scope="module")
def learning() -> Learning:
    return random_learning(BASE, np.random.default_rng(6), sizes=(20, 8, 5), tuned=True, transfer=True)


@pytest.fixture
def link(learning: Learning) -> FadingLink:
    return FadingLink(LearningResponder(sized_learning(learning), learning))


@pytest.fixture
def board(link: FadingLink, learning: Learning) -> Iterator[LearningBoard]:
    with LearningBoard(link, timeout_s=0.01, attempts=3) as board:
        board.program_learning(learning, seed=5)
        yield board


@pytest.fixture
def samples(learning: Learning) -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    return random_inputs(learning.program, rng, COUNT), rng.integers(0, learning.outputs, COUNT)


def cut_off(board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], last: int) -> None:
    """Let the link fail in the middle of a call, and come back."""
    link.last = last
    with pytest.raises(LinkTimeout):
        board.learn(*samples, first_update=FIRST)
    link.silent, link.last = False, 1 << 32


def same_states(board: LearningBoard, golden: Any) -> None:
    for a, b in zip(board.states(), golden.states, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("last", [1, 40, COUNT])
def test_a_call_after_a_timeout_goes_on(
    last: int, board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], learning: Learning
) -> None:
    cut_off(board, link, samples, last)
    golden = make_learner(learning, seed=5)
    assert board.learn(*samples, first_update=FIRST) == golden.learn(*samples, first_update=FIRST)
    same_states(board, golden)
    # The next call has nothing of it.
    assert board.learn(*samples, first_update=3) == golden.learn(*samples, first_update=3)
    same_states(board, golden)


@pytest.mark.parametrize("last", [1, 40, COUNT])
def test_the_device_says_what_a_call_has_done(
    last: int, board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], learning: Learning
) -> None:
    x, labels = samples
    assert board.unfinished().updates == 0
    cut_off(board, link, samples, last)
    counts = board.unfinished()
    done = counts.updates
    assert last <= done <= COUNT
    golden = make_learner(learning, seed=5)
    assert counts == golden.learn(x[:done], labels[:done], first_update=FIRST)
    same_states(board, golden)
    if done < COUNT:
        with pytest.raises(InputError, match=f"update {FIRST} on were interrupted"):
            board.learn(x[::-1], labels[::-1], first_update=FIRST)
        rest = x[done:], labels[done:]
        assert board.learn(*rest, first_update=FIRST + done) == golden.learn(*rest, first_update=FIRST + done)
        assert board.unfinished().updates == 0
    same_states(board, golden)


def test_a_call_that_fails_twice_goes_on(
    board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], learning: Learning
) -> None:
    cut_off(board, link, samples, 20)
    cut_off(board, link, samples, 70)
    golden = make_learner(learning, seed=5)
    assert board.learn(*samples, first_update=FIRST) == golden.learn(*samples, first_update=FIRST)
    same_states(board, golden)


def test_a_device_that_lost_power_has_no_states(
    board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], learning: Learning
) -> None:
    cut_off(board, link, samples, 40)
    link.device = LearningResponder(sized_learning(learning), learning)
    for ask in (board.unfinished, board.states, lambda: board.learn(*samples, first_update=FIRST)):
        with pytest.raises(NotProgrammedError, match="reset or without power"):
            ask()
    board = LearningBoard(link, timeout_s=0.01, attempts=3)
    board.program_learning(learning)
    assert board.unfinished().updates == 0


def test_a_device_with_step_tables_tells_so_and_holds_them() -> None:
    """A host that reads another register map from it drives it no more than
    any other device."""
    tabled = random_learning(BASE, np.random.default_rng(6), sizes=(20, 8, 5), tabled=True)
    device = LearningResponder(sized_learning(tabled), tabled)
    with LearningBoard(ResponderLink(device)) as board:
        assert board.geometry.step_tables
        board.program_learning(tabled)
    first = tabled.layers[0].devices.steps
    assert first is not None
    assert device.words[address("step_tables")] == int(first.down[0]) | int(first.noise_down[0]) << 9
    device.set("register_map", LEARNING_MAP)
    with pytest.raises(IdentityError, match=r"device has register map 0x.*: rebuild the gateware"):
        LearningBoard(ResponderLink(device))


def test_updates_that_were_all_answered_are_done(
    board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], learning: Learning
) -> None:
    """What is lost is the requests after them."""
    x, labels = samples
    link.last_is_answered = True
    cut_off(board, link, samples, 20)
    counts = board.unfinished()
    assert 20 <= counts.updates < COUNT
    golden = make_learner(learning, seed=5)
    assert counts == golden.learn(x[: counts.updates], labels[: counts.updates], first_update=FIRST)


def test_a_program_that_is_loaded_anew_has_nothing_unfinished(
    board: LearningBoard, link: FadingLink, samples: tuple[Any, Any], learning: Learning
) -> None:
    cut_off(board, link, samples, 40)
    board.program_learning(learning, seed=5)
    assert board.unfinished() == Counts(0, 0, (0,) * len(learning.layers))


@pytest.mark.parametrize("refused", [FIRST, FIRST + 3])
def test_the_first_update_that_was_refused_is_named(
    refused: int, board: LearningBoard, link: FadingLink, samples: tuple[Any, Any]
) -> None:
    """The device has another next update than the host: it was driven by another
    program meanwhile."""
    plain = link.device._update

    def update(r: Request) -> tuple[Status, bytes]:
        if r.address == refused:
            link.device.words[link.device.next_at] = 500
        return plain(r)

    link.device._update = update  # type: ignore[method-assign]
    x, labels = samples
    with pytest.raises(ProtocolError, match=f"the device refused update {refused}, which is not the next"):
        board.learn(x[:5], labels[:5], first_update=FIRST)


def test_memories_of_a_device_that_learns_are_written_without_its_tag(
    board: LearningBoard, link: FadingLink, learning: Learning
) -> None:
    tags: list[int] = []
    tag_address, plain = BY_NAME["program_tag"].address, link.device._execute

    def execute(r: Request) -> tuple[Status, bytes]:
        if r.opcode in (Opcode.WRITE, Opcode.WRITE_SHORT) and r.address >> REGION_SHIFT:
            tags.append(link.device.words[tag_address])
        return plain(r)

    link.device._execute = execute  # type: ignore[method-assign]
    board.program_learning(learning, seed=5, states=[0 * s for s in board.states()])
    assert set(tags) == {0}
    assert link.device.words[tag_address] == learning.program.tag
