"""One running instance of compiled RTL, through the C functions of its harness."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ndrite.host.errors import LinkError

CHUNK_CYCLES = 100_000
"""Cycles per call into C, so that Ctrl-C takes effect within a fraction of a second."""
U64, SIZE, NUMBER = ctypes.c_uint64, ctypes.c_size_t, ctypes.c_int
CType = type["ctypes._CDataType"]
Function = tuple[CType | None, list[CType]]
"""Result type of a C function, and the types of its arguments after the handle
(``new`` has no handle)."""
FED: dict[str, Function] = {"unsent": (SIZE, []), "cycles": (U64, [])}
"""C functions of the simulation of a ``Fed`` device."""


class Running:
    """A compiled simulation of a device, powered on; its C functions are
    called in this process.

    Raises LinkError when the library cannot be loaded or lacks a function.

    Parameters
    ----------
    library:
        Shared library made by ``ndrite.boards.sim.build``.
    prefix:
        Prefix of the names of its C functions.
    functions:
        Name without ``prefix`` -> function, beside ``delete``, ``run``, and a ``new``
        that takes nothing.
    arguments:
        Arguments of ``new``.
    """

    def __init__(self, library: Path, prefix: str, functions: dict[str, Function], *arguments: Any) -> None:
        try:
            c = ctypes.CDLL(str(library))
        except OSError as error:
            message = f"cannot load the simulated board: {error}; delete the file to rebuild it"
            raise LinkError(message) from None
        self._functions: dict[str, Callable[..., Any]] = {}
        handle = ctypes.c_void_p
        every: dict[str, Function] = {"new": (handle, []), "delete": (None, []), "run": (NUMBER, [U64])}
        for name, (result, types) in (every | functions).items():
            try:
                function = c[prefix + name]
            except AttributeError:
                lacks = f"{library} is not a simulated board: it has no function {prefix}{name}"
                raise LinkError(f"{lacks}; delete the file to rebuild it") from None
            function.restype, function.argtypes = result, types if name == "new" else [handle, *types]
            self._functions[name] = function
        self._handle: int | None = self._functions["new"](*arguments)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a C function of the simulation by its name without prefix. Raises
        LinkError once the device is closed."""
        if self._handle is None:
            raise LinkError("simulated board is closed")
        return self._functions[name](self._handle, *arguments)

    @property
    def live(self) -> bool:
        """Whether the device is powered on."""
        return self._handle is not None

    def clock(self, cycles: int) -> bool:
        """Run the clock until the device sends something (return True) or ``cycles``
        clocks have passed (return False)."""
        chunks = range(0, cycles, CHUNK_CYCLES)
        return any(self.call("run", min(CHUNK_CYCLES, cycles - start)) for start in chunks)

    def close(self) -> None:
        """Power off the device. Closing twice is allowed."""
        if self._handle is not None:
            self._functions["delete"](self._handle)
            self._handle = None


class Fed(Running):
    """A compiled simulation of a device that takes bytes or datagrams from a queue
    while its clock runs."""

    def run(self, cycles: int) -> bool:
        """Run the clock until the device has sent a frame or datagram (return True) or
        ``cycles`` clocks have passed (return False)."""
        return self.clock(cycles)

    @property
    def cycles(self) -> int:
        """The number of clock cycles since power-on."""
        return int(self.call("cycles"))

    @property
    def unsent(self) -> int:
        """The number of queued bytes or datagrams that the device has not taken yet."""
        return int(self.call("unsent"))
