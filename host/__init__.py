"""The driver: packets, links, the retrying session, ``Device``, and one API for every board.

Imports emulator.spec, NumPy, pyserial and cobs only. Never imports hdl, boards or ndrite.
"""

from host.api import BoardApi
from host.device import Device
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
    "BoardApi",
    "Device",
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
