"""Programming and inference over links that damage bytes, and where datagrams get lost,
doubled, overtaken and damaged: golden results or a typed error, nothing else."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.boards.sim.udp import SimDatagrams, UdpModel
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.host import HostError
from ndrite.host.links.uart import UartLink
from ndrite.host.links.udp import UdpLink, UdpSocket, udp_address
from tests.faulty_datagrams import DatagramRates, FaultyDatagrams
from tests.faulty_link import FaultRates, Faulty, FaultyLink, Rates
from tests.marks import long_where
from tests.stimulus import inferred, ran, random_inputs
from tests.system.serving import Server

TINY = PRESETS["tiny"]
INFERENCES = 11
"""After each programming."""
TIMEOUT_S = 0.02
"""Simulated: 20,000 cycles, several times the longest answer."""
ATTEMPTS = 40
"""More than usual: at one fault in 100 bytes half the frames are damaged."""
SIMULATED = {"timeout_s": TIMEOUT_S, "attempts": ATTEMPTS}
OPENING_S = 0.12
"""Simulated: an opening is tried again after 10,000 cycles."""
REAL_TIMEOUT_S = 0.5
"""Of real time: longer than the serving process sleeps between two looks."""


def tried(
    what: str, ways: tuple[Any, Faulty], rates: Rates, rounds: int, seed: int, counted: list[str], **how: Any
) -> Counter[str]:
    """Program two programs in turn and infer after each, with faults at
    ``rates``; at last without.

    What came of it: no wrong number. ``how`` a board is opened on the first of
    ``ways``; the second damages.
    """
    (link, faulty), tally = ways, Counter[str]()
    whole, rng = faulty.rates, np.random.default_rng([seed, 31])
    images = [random_program(TINY, rng, sizes=(12, 6, 3), noise=True) for _ in range(2)]
    with Board(link, **how) as board:
        for i in range(rounds):
            program = images[i % 2]
            x = random_inputs(program, rng, INFERENCES)
            expected = Core(program).infer(x, seed=i)
            faulty.rates = rates
            tally["programmings"] += 1
            try:
                board.program(program)
            except HostError:
                tally["programmings refused"] += 1
                continue
            tally["inferences"] += len(x)
            try:
                y = board.infer(x, seed=i)
            except HostError:
                tally["inferences refused"] += len(x)
                continue
            tally["wrong"] += int((y != expected).any(axis=1).sum())
        # Once the link is whole again, so is the board.
        faulty.rates = whole
        ran(board, images[0], random_inputs(images[0], rng, 4), seed=1)
        tally["damaged"] = board.session.statistics.damaged_frames
    names = ("programmings", "programmings refused", "inferences", "inferences refused", "wrong")
    faults = sum(faulty.injected.values())
    counted.append(f"{what}: {faults} faults, {', '.join(f'{tally[name]} {name}' for name in names)}")
    assert tally["wrong"] == 0
    assert tally["programmings"] == rounds
    return tally


def serial(seed: int) -> tuple[Any, Faulty]:
    """A simulated board's link, and what damages it."""
    link = FaultyLink(SimLink(TINY), FaultRates(), seed=seed)
    return link, link


def datagrams(seed: int) -> tuple[Any, Faulty]:
    """The same of datagrams."""
    faulty = FaultyDatagrams(SimDatagrams(UdpModel(TINY)), DatagramRates(), seed=seed)
    return UdpLink(faulty, opening_s=OPENING_S), faulty


@dataclass(frozen=True)
class Way:
    """One way to a simulated board: faults at each of ``rates``, a byte or a datagram
    (reads are delayed and split, and writes held back, at ten times the rate a call).
    Up to ``none_to`` nothing is refused, from ``all_from`` every kind of fault happens.
    ``programmings`` at each rate, times the scale."""

    link: Callable[[int], tuple[Any, Faulty]]
    of: Callable[[float], Rates]
    rates: tuple[float, ...]
    programmings: int
    none_to: float
    all_from: float


WAYS = {
    "link": Way(serial, FaultRates.per_byte, (1e-6, 1e-5, 1e-4, 1e-3, 1e-2), 8, 1e-5, 1e-3),
    "datagrams": Way(datagrams, DatagramRates.each, (1e-3, 1e-2, 5e-2, 0.1), 4, 1e-2, 5e-2),
}
CASES = [(name, rate) for name, way in WAYS.items() for rate in way.rates]
LONG = {case for case in CASES if case != ("link", 1e-3)}


@pytest.mark.parametrize(("name", "rate"), long_where(LONG.__contains__, CASES))
def test_no_wrong_number(name: str, rate: float, scale: int, counted: list[str]) -> None:
    """A quarter at the highest rate, where half of all frames are damaged and each
    takes many attempts."""
    way, seed = WAYS[name], round(1 / rate)
    link, faulty = way.link(seed)
    rounds = way.programmings * scale // (4 if rate == way.rates[-1] else 1)
    what = f"{name}, faults at {rate:g}"
    tally = tried(what, (link, faulty), way.of(rate), rounds, seed, counted, **SIMULATED)
    if rate <= way.none_to:
        assert tally["inferences refused"] == tally["programmings refused"] == 0
    if rate >= way.all_from:
        assert tally["inferences"] > tally["inferences refused"]
        kinds = faulty.injected.keys() - {"coalesce", "disconnect"}
        assert all(faulty.injected[kind] for kind in kinds), faulty.injected
        assert tally["damaged"] > 0 or name != "link"


KINDS = {name: DatagramRates(**{name: 0.1}) for name in ("lose", "duplicate", "overtake", "cut")}
KINDS["flip"] = DatagramRates(flip=2e-3)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_by_itself_is_mended(kind: str, counted: list[str]) -> None:
    link, faulty = datagrams(5)
    tally = tried(f"datagrams, {kind} alone", (link, faulty), KINDS[kind], 3, 5, counted, **SIMULATED)
    assert tally["programmings refused"] == tally["inferences refused"] == 0
    assert faulty.injected[kind] > 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["terminal", "kernel"])
def test_no_wrong_number_from_another_process(
    name: str, scale: int, counted: list[str], tmp_path: Path
) -> None:
    """Time is real: 2 programmings, and 2 more for each 10 of the scale."""
    port = tmp_path / "port" if name == "terminal" else None
    rounds = 2 + 2 * (scale // 10)
    link: Any
    faulty: Any
    with Server("tiny", port) as server:
        if port is not None:
            link = faulty = FaultyLink(UartLink(str(port)), FaultRates(), seed=7)
            rates: Rates = FaultRates.per_byte(1e-3)
        else:
            socket = UdpSocket(*udp_address(server.url.removeprefix("udp:")))
            faulty = FaultyDatagrams(socket, DatagramRates(), seed=7)
            link, rates = UdpLink(faulty), DatagramRates.each(1e-2)
        tally = tried(name, (link, faulty), rates, rounds, 7, counted, timeout_s=REAL_TIMEOUT_S)
    assert tally["inferences"] > tally["inferences refused"]


def test_a_cut_link_is_a_typed_error_and_no_more() -> None:
    link = FaultyLink(SimLink(TINY), FaultRates(), seed=3)
    rng = np.random.default_rng(3)
    program = random_program(TINY, rng, sizes=(12, 6, 3), noise=True)
    x = random_inputs(program, rng, 40)
    cuts = 0
    with Board(link, timeout_s=TIMEOUT_S) as board:
        board.program(program)
        link.rates = FaultRates(disconnect=0.01)
        for _ in range(20):
            try:
                inferred(board, program, x, seed=1)
            except HostError:
                cuts += 1
        link.rates = FaultRates()
        inferred(board, program, x, seed=1)
    assert cuts == link.injected["disconnect"] > 0
