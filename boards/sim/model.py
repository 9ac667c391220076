"""One running instance of the compiled RTL, through the harness's C functions."""

from __future__ import annotations

import ctypes
from pathlib import Path

from host.errors import LinkError

CHUNK_CYCLES = 100_000
"""Cycles per call into C, so that Ctrl-C is heard within a fraction of a second."""


class Model:
    """The compiled board, powered on.

    Parameters
    ----------
    library:
        Shared library made by ``boards.sim.build``.
    pins:
        Talk through the UART pins instead of the byte stream.
    divisor:
        UART clocks per bit the library was built for.
    """

    def __init__(self, library: Path, *, pins: bool, divisor: int) -> None:
        self._c = _load(library)
        self._run = self._c.ndrite_run
        self._handle: int | None = self._c.ndrite_new(int(not pins), divisor)

    def feed(self, data: bytes) -> None:
        """Queue bytes for the device."""
        self._c.ndrite_feed(self._live(), data, len(data))

    def run(self, cycles: int) -> bool:
        """Run until the end of a frame comes out (True) or ``cycles`` clocks passed (False)."""
        handle = self._live()
        for start in range(0, cycles, CHUNK_CYCLES):
            if self._run(handle, min(CHUNK_CYCLES, cycles - start)):
                return True
        return False

    def go(self, *, pins: bool) -> None:
        """Talk through the UART pins from now on, or through the byte stream; between two requests."""
        self._c.ndrite_go(self._live(), int(not pins))

    def trace(self, path: Path, levels: int) -> None:
        """Write every cycle from now on to a VCD file, ``levels`` modules deep; needs a library with
        waveforms.

        Raises
        ------
        LinkError
            When the file cannot be written, or one was already.
        """
        if not self._c.ndrite_trace_open(self._live(), str(path).encode(), levels):
            raise LinkError(f"{path}: cannot write waveforms there")
        self._run = self._c.ndrite_trace_run

    def end_trace(self) -> None:
        """Finish the VCD file."""
        if self._run is not self._c.ndrite_run:
            self._run = self._c.ndrite_run
            self._c.ndrite_trace_close(self._live())

    def take(self) -> bytes:
        """Bytes the device has sent since the last call."""
        handle = self._live()
        size = self._c.ndrite_waiting(handle)
        buffer = ctypes.create_string_buffer(max(size, 1))
        taken = self._c.ndrite_take(handle, buffer, size)
        return buffer.raw[:taken]

    @property
    def cycles(self) -> int:
        """Clock cycles since power-on."""
        return int(self._c.ndrite_cycles(self._live()))

    @property
    def unsent(self) -> int:
        """Bytes queued that the device has not taken yet."""
        return int(self._c.ndrite_unsent(self._live()))

    @property
    def framing_errors(self) -> int:
        """Bytes from the UART pins whose stop bit was missing."""
        return int(self._c.ndrite_framing_errors(self._live()))

    def stall(self, rx: float, tx: float, seed: int = 1) -> None:
        """For tests: chance per cycle (0..1) that each stream side stalls, from a seeded generator."""
        self._c.ndrite_stall(self._live(), round(rx * 256), round(tx * 256), seed)

    def close(self) -> None:
        """Power off. Closing twice is allowed."""
        if self._handle is not None:
            self.end_trace()
            self._c.ndrite_delete(self._handle)
            self._handle = None

    def _live(self) -> int:
        if self._handle is None:
            raise LinkError("simulated board is closed")
        return self._handle


def _load(library: Path) -> ctypes.CDLL:
    try:
        c = ctypes.CDLL(str(library))
    except OSError as error:
        raise LinkError(f"cannot load the simulated board: {error}; delete the file to rebuild it") from None
    handle, u64, size = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t
    signatures: dict[str, tuple[object, list[object]]] = {
        "ndrite_new": (handle, [ctypes.c_int, ctypes.c_uint]),
        "ndrite_go": (None, [handle, ctypes.c_int]),
        "ndrite_delete": (None, [handle]),
        "ndrite_feed": (None, [handle, ctypes.c_char_p, size]),
        "ndrite_run": (ctypes.c_int, [handle, u64]),
        "ndrite_waiting": (size, [handle]),
        "ndrite_take": (size, [handle, ctypes.c_char_p, size]),
        "ndrite_unsent": (size, [handle]),
        "ndrite_cycles": (u64, [handle]),
        "ndrite_framing_errors": (u64, [handle]),
        "ndrite_stall": (None, [handle, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint32]),
    }
    if hasattr(c, "ndrite_trace_open"):
        signatures |= {
            "ndrite_trace_open": (ctypes.c_int, [handle, ctypes.c_char_p, ctypes.c_int]),
            "ndrite_trace_close": (None, [handle]),
            "ndrite_trace_run": (ctypes.c_int, [handle, u64]),
        }
    for name, (result, arguments) in signatures.items():
        function = getattr(c, name, None)
        if function is None:
            raise LinkError(
                f"{library} is no simulated board: it has no {name}; delete the file to rebuild it"
            )
        function.restype, function.argtypes = result, arguments
    return c
