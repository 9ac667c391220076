"""A simulated board's byte stream as tests use it that go by the clock."""

from ndrite.boards.board import Board
from ndrite.boards.sim import SimLink
from ndrite.emulator.spec import Geometry, Program
from ndrite.hdl.device.watchdog import watchdog_cycles
from ndrite.host.packets import DELIMITER, Request, Response, decode_response, encode_request
from tests.stimulus import hang


class Wire:
    """Requests to a board of ``geometry``, each at the clock cycle that a test wants."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.link = SimLink(geometry)
        self.board = Board(self.link, timeout_s=3 * watchdog_cycles(geometry) / 1e6)
        self.sequence = 0

    def program(self, program: Program, *, hangs: bool = False) -> None:
        """``program``, with or without the mark by which the sequencer knows its last layer."""
        self.board.session._synced = False  # it was not asked for what ``send`` was answered
        self.board.program(program)
        if hangs:
            hang(self.board, program)
        self.sequence = self.board.session._next

    def send(self, opcode: int, where: int = 0, payload: bytes = b"", *, repeat: bool = False) -> None:
        """A request; with ``repeat`` under the number of the one before."""
        number = (self.sequence - repeat) & 0xFFFF
        self.link.write(encode_request(Request(number, opcode, where, payload)))
        self.sequence = number + 1

    def run(self, cycles: int) -> None:
        """So many clock cycles, whatever is answered in them."""
        end = self.link.model.cycles + cycles
        while (left := end - self.link.model.cycles) > 0:
            self.link.model.run(left)

    def answers(self) -> list[Response]:
        """What has been answered since the last call."""
        return [decode_response(frame) for frame in self.link.model.take().split(DELIMITER)[:-1]]

    def ask(self, *requests: tuple[int, int, bytes], cycles: int = 20_000) -> list[Response]:
        """What is answered within so many cycles to requests of (opcode, where,
        payload) sent together."""
        for opcode, where, payload in requests:
            self.send(opcode, where, payload)
        self.run(cycles)
        return self.answers()
