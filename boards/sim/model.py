"""A compiled simulation of a board, driven by its byte stream or UART pins."""

import ctypes
from pathlib import Path

from ndrite.boards.sim.running import FED, NUMBER, SIZE, U64, Fed, Function

FUNCTIONS: dict[str, Function] = FED | {
    "new": (ctypes.c_void_p, [NUMBER, ctypes.c_uint]),
    "go": (None, [NUMBER]),
    "feed": (None, [ctypes.c_char_p, SIZE]),
    "waiting": (SIZE, []),
    "take": (SIZE, [ctypes.c_char_p, SIZE]),
    "framing_errors": (U64, []),
    "stall": (None, [ctypes.c_uint, ctypes.c_uint, ctypes.c_uint32]),
}


class Model(Fed):
    """A compiled simulation of a board with a byte stream or UART pins, powered on.

    Parameters
    ----------
    library:
        Shared library made by ``ndrite.boards.sim.build``.
    pins:
        Talk through the UART pins instead of the byte stream.
    divisor:
        UART clocks per bit the library was built for.
    """

    def __init__(self, library: Path, *, pins: bool, divisor: int) -> None:
        super().__init__(library, "ndrite_", FUNCTIONS, int(not pins), divisor)

    def feed(self, data: bytes) -> None:
        """Queue bytes to be sent to the device."""
        self.call("feed", data, len(data))

    def go(self, *, pins: bool) -> None:
        """Switch the host's connection to the UART pins or to the byte stream; call
        this only between two requests."""
        self.call("go", int(not pins))

    def take(self) -> bytes:
        """Return the bytes that the device has sent since the previous call."""
        size = self.call("waiting")
        buffer = ctypes.create_string_buffer(max(size, 1))
        byte_count = self.call("take", buffer, size)
        return buffer.raw[:byte_count]

    @property
    def framing_errors(self) -> int:
        """The number of bytes received from the device's UART pin whose
        stop bit was missing."""
        return int(self.call("framing_errors"))

    def stall(self, rx: float, tx: float, seed: int = 1) -> None:
        """Let each side of the byte stream pause at random, for tests: ``rx`` and
        ``tx`` are the probabilities per cycle (0..1), and ``seed`` is that of their
        random generator."""
        self.call("stall", round(rx * 256), round(tx * 256), seed)
