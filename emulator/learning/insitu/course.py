"""course: a training run in portions, epoch by epoch, which can be interrupted and resumed."""

import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.spec.arithmetic import Array, Codes, Ints
from ndrite.emulator.spec.learning import Counts
from ndrite.emulator.spec.state_file import load_state, save_state

PORTION = 256
"""Number of updates between checks of the progress; an interruption loses at most the
portion being computed."""


class Learns(Protocol):
    """Interface of a device that can learn: a board, or the golden model."""

    def learn(self, x: Codes, labels: Array, *, first_update: int = 0) -> Counts: ...


@dataclass(eq=False)
class Course:
    """Progress of a training run: the number of updates done, and the counts of each
    epoch that has begun."""

    done: int = 0
    counts: list[Counts] = field(default_factory=list)

    def add(self, found: Counts, samples: int) -> None:
        """Add the counts of several updates, all within one epoch of ``samples``
        samples. There may be 0 updates after an interruption."""
        if not found.updates:
            return
        if self.done % samples == 0:
            self.counts.append(found)
        else:
            self.counts[-1] += found
        self.done += found.updates


@lru_cache(maxsize=1)
def order(seed: int, epoch: int, samples: int) -> Ints:
    """Return the order in which epoch number ``epoch`` presents its samples. The result
    is cached, because an epoch asks for it several times."""
    permutation = np.random.default_rng([seed, epoch]).permutation(samples)
    permutation.flags.writeable = False
    return permutation


def follow(
    board: Learns,
    course: Course,
    given: Labelled,
    *,
    epochs: int,
    seed: int,
    seen: Callable[[Course], None] | None = None,
) -> Course:
    """Continue a training run on the training samples of ``given`` to the end of its
    epochs, in portions of PORTION updates; ``course`` is advanced after every complete
    portion.

    ``seed`` orders the samples. ``seen(course)`` is called after every portion.
    """
    x, labels = given.x, given.labels
    samples = len(x)
    while course.done < epochs * samples:
        epoch, first_sample = divmod(course.done, samples)
        part = order(seed, epoch, samples)[first_sample : first_sample + PORTION]
        # If an interruption came between a board's pulses and their count, the two
        # would disagree, and training could not be resumed.
        with uninterrupted():
            course.add(board.learn(x[part], labels[part], first_update=course.done & 0xFFFFFFFF), samples)
        if seen is not None:
            seen(course)
    return course


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Return a context manager that delays Ctrl-C and `kill` until its block ends; it
    does so in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


def save_course(
    path: str | os.PathLike[str], course: Course, states: list[Array], mark: dict[str, Any]
) -> None:
    """Write everything that resuming a training run needs. The file is written
    completely or not at all. ``mark`` describes what the run depends on."""
    counts = [[c.updates, c.right, *c.pulses] for c in course.counts]
    arrays: dict[str, Any] = {f"states{i}": s.astype(np.int32) for i, s in enumerate(states)}
    content = io.BytesIO()
    np.savez_compressed(content, counts=np.array(counts, np.int64), **arrays)
    save_state(Path(path), mark, content.getvalue())


def load_course(path: str | os.PathLike[str], mark: dict[str, Any]) -> tuple[Course, list[Ints]]:
    """Read a file that ``save_course`` wrote; return the progress and the device
    states. Raises StateError when the file has another form, was changed, or belongs to
    a training run with another chip, network, seed or samples."""
    with np.load(io.BytesIO(load_state(Path(path), mark)), allow_pickle=False) as arrays:
        counts = [Counts(u, right, tuple(pulses)) for u, right, *pulses in arrays["counts"].tolist()]
        states = [arrays[f"states{i}"].astype(np.int64) for i in range(len(arrays.files) - 1)]
    return Course(sum(c.updates for c in counts), counts), states
