"""UART link: any pyserial URL, so a serial port, a pseudo-terminal,
``socket://host:port`` and others."""

import errno
import time
from typing import Any

import serial

from ndrite.host.errors import LinkError

DEFAULT_BAUD = 1_000_000
"""Bits per second; irrelevant on a pseudo-terminal or socket."""
READ_CHUNK = 65536
WRITE_TIMEOUT_S = 10.0
"""Longest time in seconds that a write may take: a pseudo-terminal that nobody reads
fills up, and without a limit the write would never return."""


class UartLink:
    """A serial port, opened for this process alone.

    Parameters
    ----------
    port:
        Device path or pyserial URL.
    baud:
        Bits a second, 8N1.

    Raises
    ------
    LinkError
        When there is no such port, it is in use, or permission is missing; the
        message says which.
    """

    narrow = True
    live = True

    def __init__(self, port: str, baud: int = DEFAULT_BAUD) -> None:
        self.port = port
        options: dict[str, Any] = {"baudrate": baud, "write_timeout": WRITE_TIMEOUT_S}
        if "://" not in port:
            options["exclusive"] = True  # two processes would disturb each other's sequence numbers
        try:
            self._serial: Any = serial.serial_for_url(port, **options)
        except Exception as error:  # pyserial's URL handlers raise any kind of error
            raise LinkError(_explain(port, error)) from None
        self._serial.reset_input_buffer()

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            self._open().write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"{self.port}: write failed, device gone? ({error})") from None

    def read(self, timeout_s: float) -> bytes:
        """Return received bytes: at least one, or none if nothing arrived within
        ``timeout_s`` seconds."""
        port = self._open()
        try:
            if port.timeout != timeout_s:
                port.timeout = timeout_s  # setting it costs a system call on a tty
            first: bytes = port.read(1)
            # A socket reports at most one waiting byte. Reading only what has arrived
            # keeps each call short.
            waiting = port.in_waiting if first else 0
            return first + (port.read(min(waiting, READ_CHUNK)) if waiting else b"")
        except (serial.SerialException, OSError, TypeError) as error:
            # pyserial raises TypeError if the port is closed during a read.
            raise LinkError(f"{self.port}: read failed, device gone? ({error})") from None

    def wait(self, seconds: float) -> None:
        """Sleep; bytes that arrive in the meantime wait in the port's buffer."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the serial port."""
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def _open(self) -> Any:
        if self._serial is None:
            raise LinkError(f"{self.port}: link is closed")
        return self._serial


def _explain(port: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively lock" in text:
        return f"{port}: port is busy (another program has it open)"
    if code in (errno.EACCES, errno.EPERM):
        return f"{port}: permission denied (is your user in the group that owns the port, often dialout?)"
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"{port}: no such port"
    return f"{port}: cannot open ({text})"
