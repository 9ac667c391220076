"""Programming and inference where datagrams get lost, doubled, overtaken and damaged: golden results or a
typed error, nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from boards.board import Board
from boards.sim.udp import SimDatagrams, UdpModel
from host.links.udp import UdpLink
from host.links.udp_socket import UdpSocket, udp_address
from tests.faulty_datagrams import DatagramRates, FaultyDatagrams
from tests.marks import long_where
from tests.system.serving import MAIN
from tests.trust.faulted_work import TINY, work

RATES = (1e-3, 1e-2, 5e-2, 0.1)
"""Of each fault, a datagram."""
PROGRAMMINGS = 4
"""At each rate, times ``scale``; a quarter at the highest."""
TIMEOUT_S = 0.02
"""Simulated: 20,000 cycles, several times the longest answer."""
ATTEMPTS = 40
OPENING_S = 0.12
"""Simulated: an opening is tried again after 10,000 cycles."""
KERNEL_TIMEOUT_S = 0.5
"""Of real time: longer than the serving process sleeps between two looks."""
KINDS = {name: DatagramRates(**{name: 0.1}) for name in ("lose", "duplicate", "overtake", "cut")}
KINDS["flip"] = DatagramRates(flip=2e-3)


def programmings(rate: float, scale: int) -> int:
    return PROGRAMMINGS * scale // (4 if rate == max(RATES) else 1)


@pytest.mark.parametrize("rate", long_where(RATES[-1].__eq__, RATES))
def test_no_wrong_number_from_faulty_datagrams(rate: float, scale: int, counted: list[str]) -> None:
    faulty = FaultyDatagrams(SimDatagrams(UdpModel(TINY)), DatagramRates(), seed=round(1 / rate))
    rounds = programmings(rate, scale)
    with Board(UdpLink(faulty, opening_s=OPENING_S), timeout_s=TIMEOUT_S, attempts=ATTEMPTS) as board:
        tally = work(board, faulty, DatagramRates.each(rate), rounds, seed=round(1 / rate))
    counted.append(f"datagrams, each fault at {rate:g}: {tally.line(faulty)}")
    assert tally.wrong == 0
    assert tally.programmings == rounds
    if rate <= 1e-2:
        assert tally.refused_inferences == tally.refused_programmings == 0
    if rate >= 5e-2:
        assert tally.inferences > tally.refused_inferences
        assert all(faulty.injected.values()), faulty.injected


@pytest.mark.parametrize("kind", long_where({"duplicate", "overtake"}.__contains__, KINDS))
def test_each_fault_by_itself_is_mended(kind: str, counted: list[str]) -> None:
    faulty = FaultyDatagrams(SimDatagrams(UdpModel(TINY)), DatagramRates(), seed=5)
    with Board(UdpLink(faulty, opening_s=OPENING_S), timeout_s=TIMEOUT_S, attempts=ATTEMPTS) as board:
        tally = work(board, faulty, KINDS[kind], 3, seed=5)
    counted.append(f"datagrams, {kind} alone: {tally.line(faulty)}")
    assert tally.wrong == tally.refused_programmings == tally.refused_inferences == 0
    assert faulty.injected[kind] > 0


def test_no_wrong_number_through_the_kernel(scale: int, counted: list[str]) -> None:
    command = [sys.executable, "-c", MAIN, "board", "serve", "--preset", "tiny"]
    with subprocess.Popen(
        [*command, "--udp", "--at", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()
            assert said.startswith("serving tiny on udp:127.0.0.1:")
            host, port = udp_address(said.strip().partition("udp:")[2])
            faulty = FaultyDatagrams(UdpSocket(host, port), DatagramRates(), seed=7)
            rounds = 2 + 2 * (scale // 10)
            with Board(UdpLink(faulty), timeout_s=KERNEL_TIMEOUT_S) as board:
                tally = work(board, faulty, DatagramRates.each(1e-2), rounds, seed=7)
        finally:
            server.terminate()
    counted.append(f"datagrams through the kernel, each fault at 0.01: {tally.line(faulty)}")
    assert tally.wrong == 0
    assert tally.programmings == rounds
    assert tally.inferences > tally.refused_inferences


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"fault rate lose is .*; accepted: 0 to 1"):
        DatagramRates(lose=rate)
