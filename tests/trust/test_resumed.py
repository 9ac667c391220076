"""Trainings that outages, kills and lost power stop at random moments, and that go on
until they are done: the die and the counts of a training that nothing stopped."""

import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.boards.learning import LearningBoard
from ndrite.boards.sim.sizing import sized_learning
from ndrite.boards.sim.udp import SimDatagrams, UdpModel
from ndrite.emulator.spec.datagrams import LEASE_S
from ndrite.emulator.spec.learning import Learning
from ndrite.host import HostError
from ndrite.host.links.udp import UdpLink
from ndrite.verbs import learn as verb
from tests.faulty_datagrams import DatagramRates, FaultyDatagrams
from tests.faulty_link import FaultRates, FaultyLink
from tests.host.learning_responder import LearningResponder
from tests.host.responder import ResponderLink

RULES = (
    {},
    {"chip": "dendritic-ndr", "neuron_rate": 0.01},
    {"chip": "wan2022", "rule": "tiki-taka", "rate": 0.05},
    {"rule": "agad", "rate": 0.05},
)
SAMPLES, EPOCHS = 40, 3
LEARNING_WRITES = 160
"""Calls of ``write`` in which a link carries all updates and the states after each epoch."""


class Killed(BaseException):
    """SIGKILL for what lies on the disk: nothing that catches errors sees it."""


class Outage(FaultyLink):
    """A link that works, then fails for a while, and comes back, at moments that ``rng`` draws.

    Beside damage to single frames: no answer for ``dark`` calls, a LinkError,
    Ctrl-C, or a kill.
    """

    def __init__(self, link: Any, rates: FaultRates, rng: random.Random, tally: Counter[str]) -> None:
        super().__init__(link, rates, seed=rng.randrange(1 << 30))
        self._random, self._tally, self._dark = rng, tally, 0
        self.due = rng.randrange(2000)
        """Calls of ``write`` until the next event; programming takes some 250."""

    def write(self, data: bytes) -> None:
        self.due -= 1
        if self.due <= 0:
            self.due = self._random.randrange(LEARNING_WRITES)
            kind = self._random.choice(("outage", "outage", "broken", "interrupt", "kill"))
            self._tally[kind] += 1
            if kind == "outage":
                # What was sent before may reach the device or not; its answers are lost.
                self._dark = self._random.choice((2, 6, 30))
            elif kind == "interrupt":
                signal.raise_signal(signal.SIGINT)
            elif kind == "kill":
                raise Killed
            else:
                self.rates = FaultRates(disconnect=1.0)
        if self._dark and self._random.random() < 0.5:
            return
        super().write(data)
        if self.rates.disconnect:
            self.rates = FaultRates()

    def read(self, timeout_s: float) -> bytes:
        data = super().read(timeout_s)
        if self._dark:
            self._dark -= 1
            return b""
        return data


class Bench:
    """One device on a bench: it outlives the processes that speak to it, unless it loses power.

    In place of ``connect_learner``: every call is a process that opens it.
    """

    def __init__(
        self, power_on: Callable[[Learning], Any], link: Callable[[Any], Any], rng: random.Random, **how: Any
    ) -> None:
        self._power_on, self._link, self._rng, self._how = power_on, link, rng, how
        self._device: Any = None
        self.tally: Counter[str] = Counter()
        self.whole = False

    def __call__(self, url: str) -> Any:
        return Behind(self)

    def programmed(self, learning: Learning, **how: Any) -> LearningBoard:
        if self._device is None or self._rng.random() < 0.3:
            self._device = self._power_on(learning)
            self.tally["power"] += 1
        link = self._link(self._device)
        if not self.whole:
            link = Outage(link, FaultRates.per_byte(1e-5), self._rng, self.tally)
        board = LearningBoard(link, **self._how)
        board.program_learning(learning, **how)
        link.due = self._rng.randrange(LEARNING_WRITES)
        return board


class Behind:
    """A board that is opened when its program, which decides its size, is known."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._board: Any = None

    def program_learning(self, learning: Learning, **how: Any) -> None:
        self._board = self._bench.programmed(learning, **how)

    def learn(self, *given: Any, **how: Any) -> Any:
        return self._board.learn(*given, **how)

    def unfinished(self) -> Any:
        return self._board.unfinished()

    def states(self) -> Any:
        return self._board.states()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        """The device stays as it is; a process that ends closes its link."""


def golden_device(learning: Learning) -> Any:
    return LearningResponder(sized_learning(learning), learning)


def gateware(learning: Learning) -> Any:
    return UdpModel(sized_learning(learning), learns=True)


def udp(model: Any) -> Any:
    """A link of a new process, opened after the lease of one that was killed."""
    for _ in range(LEASE_S + 1):
        model.second()
    return UdpLink(FaultyDatagrams(SimDatagrams(model), DatagramRates.each(1e-3), seed=7), opening_s=0.12)


def learned_with_outages(
    bench: Bench, number: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Any]:
    """A training that was stopped and resumed until it was done, and the
    same one undisturbed."""
    how: dict[str, Any] = {"data": "digits", "hidden": "4", "samples": SAMPLES, "epochs": EPOCHS}
    how |= {"seed": number, "learning_seed": number, **RULES[number % len(RULES)]}
    wanted = ndrite.learn(**how)
    course = Path(f"{path}.course")
    with monkeypatch.context() as patch:
        patch.setattr(verb, "connect_learner", bench)
        for attempt in range(60):
            bench.whole = attempt >= 50  # what is not done by now is let through
            try:
                got = ndrite.learn(**how, output=path, resume=course.is_file())
                break
            except (HostError, KeyboardInterrupt, Killed) as stopped:
                bench.tally[f"stopped by {type(stopped).__name__}"] += 1
        else:
            pytest.fail(f"training {number} never ended: {dict(bench.tally)}")
    return got, wanted


@pytest.mark.long
@pytest.mark.parametrize("where", ["golden", "udp gateware"])
def test_a_resumed_die_is_the_one_that_nothing_stopped(
    where: str, scale: int, counted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 trainings on the golden board and 50 on gateware at a scale of 30; 20 and
    1 at a scale of 1."""
    rng, tally = random.Random(f"{where} {scale}"), Counter[str]()
    if where == "golden":
        runs = 20 if scale == 1 else 1000 * scale // 30
        bench = Bench(golden_device, ResponderLink, rng, timeout_s=0.01, attempts=3)
    else:
        runs = 1 if scale == 1 else 50 * scale // 30
        # Simulated: a window of updates takes some ten thousand cycles.
        bench = Bench(gateware, udp, rng, timeout_s=0.2, attempts=6)
    for number in range(runs):
        bench._device = None
        got, wanted = learned_with_outages(bench, number, tmp_path / "learned", monkeypatch)
        tally["trainings"] += 1
        same = got.compiled.program.tag == wanted.compiled.program.tag
        tally["other dies"] += not same
        for name in ("right_by_epoch", "pulses_a_device", "updates", "accuracy"):
            np.testing.assert_array_equal(
                got.summary[name], wanted.summary[name], err_msg=f"{name}, {number}"
            )
        assert same, f"training {number}"
    tally += bench.tally
    counted.append(f"resumed on {where}: {', '.join(f'{n} {name}' for name, n in tally.items())}")
    assert tally["other dies"] == 0
