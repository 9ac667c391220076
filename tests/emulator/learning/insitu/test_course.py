"""A course: every sample once an epoch, in an order of its own, and the same
after it was left."""

import signal
from pathlib import Path

import numpy as np
import pytest

from ndrite.emulator.learning.insitu import Course, follow, load_course, save_course
from ndrite.emulator.learning.insitu.course import PORTION, order, uninterrupted
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.spec.learning import Counts
from ndrite.emulator.spec.state_file import StateError

COUNT = 2 * PORTION + 88
X = np.stack(np.divmod(np.arange(COUNT), 256), axis=1).astype(np.uint8)
LABELS = np.arange(COUNT) % 7
SAMPLES = Labelled("numbered", X, LABELS, X[:0], LABELS[:0])


class Board:
    """Notes what it is shown; answers to classes below 3 are right, and of two layers
    pulses are known."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.firsts: list[int] = []

    def learn(self, x: np.ndarray, labels: np.ndarray, *, first_update: int = 0) -> Counts:
        numbers = x.astype(int) @ [256, 1]
        np.testing.assert_array_equal(labels, numbers % 7)
        self.shown += numbers.tolist()
        self.firsts.append(first_update)
        return Counts(len(x), int((labels < 3).sum()), (len(x), 2 * len(x)))


def followed(epochs: int, seed: int, course: Course | None = None) -> tuple[Board, Course]:
    board = Board()
    return board, follow(board, course or Course(), SAMPLES, epochs=epochs, seed=seed)


def test_every_epoch_shows_all_samples_in_portions() -> None:
    board, course = followed(2, seed=5)
    epochs = np.array(board.shown).reshape(2, COUNT)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(COUNT), (2, 1)))
    assert board.firsts == [0, PORTION, 2 * PORTION, COUNT, COUNT + PORTION, COUNT + 2 * PORTION]
    assert course.done == 2 * COUNT
    assert course.counts == [Counts(COUNT, int((LABELS < 3).sum()), (COUNT, 2 * COUNT))] * 2
    assert (epochs[0] == epochs[1]).mean() < 0.1
    assert followed(1, seed=5)[0].shown == epochs[0].tolist()
    assert (np.array(followed(1, seed=6)[0].shown) == epochs[0]).mean() < 0.1


def test_no_caller_can_change_the_order_of_an_epoch() -> None:
    with pytest.raises(ValueError, match="read-only"):
        order(5, 0, COUNT)[0] = 0


def test_an_interruption_waits_for_the_end_of_a_block() -> None:
    seen: list[str] = []

    def interrupted() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            seen.append("end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with uninterrupted():
        seen.append("no interruption")
    assert seen == ["end", "no interruption"]
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert handlers == [signal.default_int_handler, signal.SIG_DFL]


def test_update_numbers_are_of_32_bits() -> None:
    _, course = followed(1, seed=1)
    course.done += COUNT * (2**32 // COUNT)
    board, _ = followed(course.done // COUNT + 1, seed=1, course=course)
    assert board.firsts[0] == course.done - COUNT - 2**32 * ((course.done - COUNT) >> 32) < 2**32


@pytest.mark.parametrize("portions", [1, 3, 4])
def test_it_goes_on_as_if_it_had_not_been_left(tmp_path: Path, portions: int) -> None:
    whole, end = followed(2, seed=5)
    board, course = Board(), Course()

    def leave(course: Course) -> None:
        if len(board.firsts) == portions:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(board, course, SAMPLES, epochs=2, seed=5, seen=leave)
    states = [np.arange(6).reshape(2, 3) - (1 << 17), np.full((4, 1), (1 << 17) - 1)]
    save_course(tmp_path / "x", course, states, {"seed": 5})
    again, kept = load_course(tmp_path / "x", {"seed": 5})
    for a, b in zip(kept, states, strict=True):
        np.testing.assert_array_equal(a, b)
    rest, last = followed(2, seed=5, course=again)
    assert board.shown + rest.shown == whole.shown
    assert board.firsts + rest.firsts == whole.firsts
    assert (last.done, last.counts) == (end.done, end.counts)
    with pytest.raises(StateError, match="differs in seed"):
        load_course(tmp_path / "x", {"seed": 6})
