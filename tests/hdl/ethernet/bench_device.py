"""cocotb: the driver itself, through frames at the RGMII pins of a whole device, with
and without faults."""

from typing import Any

import cocotb
import numpy as np
from cocotb.task import bridge, resume
from cocotb.triggers import First, Timer

from ndrite.boards.board import Board
from ndrite.emulator.golden.random_program import random_program
from ndrite.host.links.udp import UdpLink
from tests.faulty_datagrams import DatagramRates, FaultyDatagrams
from tests.hdl.ethernet.host import Host, checked, payload
from tests.hdl.given import GEOMETRY
from tests.random_graphs import random_walk
from tests.stimulus import ran, random_inputs

TIMEOUT_S = 2.0
"""For the driver, who looks at this machine's clock too."""
SECOND_NS = 100_000
"""Simulated time that a second of a timeout takes: of 200 us in all, several times
the longest answer."""


class PinDatagrams:
    """Satisfies ``ndrite.host.links.udp.Datagrams``, for a driver in a thread of its own."""

    live = False

    def __init__(self, host: Host) -> None:
        self.host = host

    def send(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self._send(datagram)

    def receive(self, timeout_s: float) -> bytes:
        received: bytes = self._receive(timeout_s)
        return received

    @resume
    async def _send(self, datagram: bytes) -> None:
        await self.host.send(self.host.udp(datagram))

    @resume
    async def _receive(self, timeout_s: float) -> bytes:
        sink = self.host.sink
        if sink.empty():
            wait = max(1, round(timeout_s * SECOND_NS))
            await First(cocotb.start_soon(sink.wait()), Timer(wait, "ns"))
        return b"" if sink.empty() else payload(checked(sink.recv_nowait()))

    def wait(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


@cocotb.test()
@cocotb.parametrize(rate=[0.0, 0.04])
async def program_and_infer(dut: Any, rate: float) -> None:
    rng = np.random.default_rng([7, round(100 * rate)])
    host = Host(dut, rng)
    await host.begin()
    if GEOMETRY.map_codes:
        program = random_walk(GEOMETRY, rng, steps=3)
    else:
        program = random_program(GEOMETRY, rng, sizes=(12, 6, 3), noise=True)
    x = random_inputs(program, rng, 9)
    faulty = FaultyDatagrams(PinDatagrams(host), DatagramRates(), seed=3)

    @bridge
    def drive() -> int:
        link = UdpLink(faulty, opening_s=12 * TIMEOUT_S)
        with Board(link, timeout_s=TIMEOUT_S, attempts=40) as board:
            faulty.rates = DatagramRates.each(rate)
            ran(board, program, x, seed=5)
            faulty.rates = DatagramRates()
            return board.read_register("inferences")

    inferences = await drive()
    assert inferences == len(x) if rate == 0 else inferences >= len(x)
    assert (sum(faulty.injected.values()) > 0) == (rate > 0)
