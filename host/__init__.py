"""The driver: packets, links, the retrying session and ``Board``, one API for every board.

Imports emulator.spec, NumPy, pyserial and cobs only. Never imports hdl, boards or ndrite.
"""

from host.api import BoardApi
from host.board import Board
from host.errors import (
    DeviceError,
    HostError,
    IdentityError,
    InputError,
    LinkError,
    LinkTimeout,
    NotProgrammedError,
    ProtocolError,
    VerifyError,
)
from host.links import Link

__all__ = [
    "Board",
    "BoardApi",
    "DeviceError",
    "HostError",
    "IdentityError",
    "InputError",
    "Link",
    "LinkError",
    "LinkTimeout",
    "NotProgrammedError",
    "ProtocolError",
    "VerifyError",
]
