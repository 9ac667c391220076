"""The driver: packets, links, the retrying session, ``Device``, and one API for every board.

Imports ndrite.emulator.spec, NumPy, pyserial and cobs only. Never imports hdl,
boards or ndrite.
"""

from ndrite.host.api import BoardApi
from ndrite.host.device import Device
from ndrite.host.errors import (
    DeviceError,
    HostError,
    IdentityError,
    InputError,
    InputWarning,
    LinkError,
    LinkTimeout,
    NotProgrammedError,
    ProtocolError,
    VerifyError,
)
from ndrite.host.links import Link

__all__ = [
    "BoardApi",
    "Device",
    "DeviceError",
    "HostError",
    "IdentityError",
    "InputError",
    "InputWarning",
    "Link",
    "LinkError",
    "LinkTimeout",
    "NotProgrammedError",
    "ProtocolError",
    "VerifyError",
]
