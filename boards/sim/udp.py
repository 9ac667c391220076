"""A simulated board on UDP datagrams, in this process: compiled gateware, including the
rules of its session."""

import ctypes
from pathlib import Path

from ndrite.boards.netlist import build_id, netlist
from ndrite.boards.sim.build import cached_library, design
from ndrite.boards.sim.link import CYCLES_PER_SECOND
from ndrite.boards.sim.running import FED, SIZE, Fed, Function
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.datagrams import MTU
from ndrite.host.links.udp import UdpLink

HARNESS = Path(__file__).with_name("udp_harness.cpp")
TOP = "ndrite.hdl.tops:SimUdp"
HOST = (0x7F000001, 4711)
"""IPv4 address and port that this process uses as the sender of datagrams."""

Address = tuple[int, int]
"""IPv4 address and UDP port."""


FUNCTIONS: dict[str, Function] = FED | {
    "feed": (None, [ctypes.c_char_p, SIZE, ctypes.c_uint32, ctypes.c_uint16]),
    "take": (
        SIZE,
        [ctypes.c_char_p, SIZE, ctypes.POINTER(ctypes.c_uint32), ctypes.POINTER(ctypes.c_uint16)],
    ),
    "second": (None, []),
}


class UdpModel(Fed):
    """A compiled simulation of a board on UDP, powered on; it is compiled if it is not
    in the cache. ``learns``: the board has a learning core.

    Raises SimulationBuildError when it cannot be built.
    """

    def __init__(self, geometry: Geometry, *, learns: bool = False) -> None:
        title = f"UDP, {geometry.name}"
        library = cached_library(**design(TOP, geometry, learns=learns), what=title, harness=HARNESS)
        super().__init__(library, "ndrite_udp_", FUNCTIONS)
        self._buffer = ctypes.create_string_buffer(MTU)

    def feed(self, datagram: bytes, sender: Address) -> None:
        """Queue a datagram to be sent to the device."""
        self.call("feed", datagram, len(datagram), *sender)

    def take(self) -> tuple[bytes, Address]:
        """Return the oldest datagram from the device that has not been taken yet, and
        its receiver; the datagram is empty if there is none."""
        address, port = ctypes.c_uint32(), ctypes.c_uint16()
        size = self.call("take", self._buffer, MTU, ctypes.byref(address), ctypes.byref(port))
        return self._buffer.raw[:size], (address.value, port.value)

    def second(self) -> None:
        """Tell the device that a second has passed; it counts the lease of its
        session in seconds."""
        self.call("second")
        self.clock(2)


class SimDatagrams:
    """Transport of datagrams to and from a simulated board, with the interface
    ``ndrite.host.links.udp.Datagrams``. A second is ``CYCLES_PER_SECOND`` clocks."""

    live = False

    def __init__(self, model: UdpModel) -> None:
        self.model = model

    def send(self, *datagrams: bytes) -> None:
        """Queue datagrams; the device takes them while the clock runs."""
        for datagram in datagrams:
            self.model.feed(datagram, HOST)

    def receive(self, timeout_s: float) -> bytes:
        """Run the clock until a datagram arrives, at most ``timeout_s *
        CYCLES_PER_SECOND`` cycles."""
        left = round(timeout_s * CYCLES_PER_SECOND)
        while True:
            datagram, receiver = self.model.take()
            if datagram and receiver == HOST:
                return datagram
            if not datagram:
                before = self.model.cycles
                if left <= 0 or not self.model.run(left):
                    return b""
                left -= self.model.cycles - before

    def wait(self, seconds: float) -> None:
        """Run the clock for ``seconds * CYCLES_PER_SECOND`` cycles, or until a
        datagram arrives."""
        self.model.run(round(seconds * CYCLES_PER_SECOND))

    def close(self) -> None:
        """Power off the simulated board."""
        self.model.close()


def sim_udp_link(geometry: Geometry, *, learns: bool = False) -> UdpLink:
    """Open a link to a freshly powered-on simulated board. Raises the
    errors of ``UdpModel``."""
    return UdpLink(SimDatagrams(UdpModel(geometry, learns=learns)), name="sim-udp")


def udp_id(geometry: Geometry) -> int:
    """Return the build id that the simulated UDP board has if it is compiled from the
    present source files."""
    return build_id(netlist(**design(TOP, geometry, learns=False)))
