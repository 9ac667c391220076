"""Where a bring-up gets its bitstream and its board: hardware, or its gateware compiled here."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from boards.board import Board
from boards.fpga.build import build
from boards.fpga.errors import BuildError
from boards.fpga.flash import flash
from boards.fpga.reports import known_seed
from boards.fpga.target import Target
from boards.sim import Design, SimLink
from boards.sim.build import simulated_id
from boards.sim.udp import sim_udp_link, udp_id
from emulator.network import zoo
from emulator.spec import Program
from host.errors import LinkError
from host.links import Link
from host.links.uart import UartLink
from host.links.udp import UdpLink
from host.links.udp_socket import UdpSocket, udp_address

SIMULATED_TIMEOUT_S = 4.0
"""A simulated second is a million cycles: a checksum over a small board's weights takes two of them."""


REATTACH_S = 5.0
"""How long a serial port may be away after its board was loaded."""


class StageFailed(Exception):
    """A stage without which the next ones make no sense; the message is what was seen."""


def attached(port: str, baud: int, within_s: float = REATTACH_S) -> UartLink:
    """The serial port, which a board that was just loaded may take away and attach again."""
    end = time.monotonic() + within_s
    while True:
        try:
            return UartLink(port, baud)
        except LinkError:
            if time.monotonic() >= end:
                raise
            time.sleep(REATTACH_S / 50)


@dataclass(frozen=True)
class Hardware:
    """A board on ``port``, or at that address; ``folder`` holds its build, or will.

    ``loaded``: it is on the board already.
    """

    target: Target
    port: str
    folder: Path
    loaded: bool = False
    announce: Callable[[str], None] = lambda _: None

    def bitstream(self) -> tuple[int, str]:
        """The one in the folder, built first where there is none."""
        report = self.folder / "report.json"
        try:
            if not report.is_file():
                program = Program.load(zoo.program())
                seed = known_seed(self.target.name)
                build(self.target, self.folder, program=program, first_seed=seed, announce=self.announce)
            content = json.loads(report.read_text())
        except (BuildError, OSError, ValueError) as error:
            raise StageFailed(str(error)) from None
        if not content["timing_met"]:
            raise StageFailed(
                f"{report}: timing failed; run: ndrite board build {self.target.name} --seeds 4"
            )
        said = f"build id {content['build_id']}, {content['fmax_mhz']:.1f} MHz estimated for"
        return int(content["build_id"], 16), f"{said} {content['clock_mhz']:g}"

    def load(self) -> str:
        """By openFPGALoader."""
        if self.loaded:
            return "left as it is (loaded)"
        try:
            flash(self.target, self.folder)
        except BuildError as error:
            raise StageFailed(str(error)) from None
        return "loaded with openFPGALoader"

    def open(self) -> Board:
        """At the board's bit rate, or its address."""
        if self.target.ethernet is None:
            return Board(attached(self.port, self.target.baud))
        socket = UdpSocket(*udp_address(self.port))
        return Board(UdpLink(socket, name=f"udp:{socket.name}"))


@dataclass(frozen=True)
class Simulated:
    """The target's gateware compiled for this machine, without its pins."""

    target: Target

    @property
    def _design(self) -> Design | None:
        return Design(small=True) if self.target.small else None

    def bitstream(self) -> tuple[int, str]:
        """The netlist instead of one."""
        geometry = self.target.geometry
        if self.target.ethernet is None:
            identity = simulated_id(geometry, platform=self._design)
        else:
            identity = udp_id(geometry)
        return identity, f"none: simulated, build id {identity:016x}"

    def load(self) -> str:
        """Nothing to load."""
        return "none: compiled for this machine"

    def open(self) -> Board:
        """Compiled when it is not in the cache."""
        link: Callable[..., Link] = sim_udp_link
        if self.target.ethernet is None:
            link = partial(SimLink, platform=self._design)
        return Board(link(self.target.geometry), timeout_s=SIMULATED_TIMEOUT_S)


Way = Hardware | Simulated
"""``bitstream`` gives the build id of what is to be loaded, and what to say of it; ``load`` puts it on the
board, and says what it did; ``open`` gives the board behind its link. Each raises ``StageFailed`` or
``HostError``."""
