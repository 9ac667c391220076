"""Errors between host and device, a small hierarchy: catch HostError for all of it."""

from ndrite.emulator.spec.packets import Status

MEANINGS = {Status.HUNG: "hung; the watchdog has reset the core, program the program again"}
"""Texts for those status codes whose names say less than the user needs."""


class HostError(Exception):
    """Base class of errors of the host: it could not get a certain answer from the device."""


class LinkError(HostError):
    """Error: the link to the device failed, for example no such port, port busy, cable
    pulled, simulation not built."""


class LinkTimeout(LinkError):
    """Error: the device did not answer in time, even after all retries."""


class ProtocolError(HostError):
    """Error: answers were damaged or out of order until no retries were left."""


class IdentityError(HostError):
    """Error: the device is not one that this host can drive; the message
    says what to rebuild."""


class DeviceError(HostError):
    """Error: the device refused a request.

    ``status`` is the status code it gave, ``request`` names the request in words.
    """

    def __init__(self, status: Status, request: str) -> None:
        meaning = MEANINGS.get(status, status.name.lower().replace("_", " "))
        super().__init__(f"device refused {request}: {meaning}")
        self.status = status
        self.request = request


class NotProgrammedError(HostError):
    """Error: the chip does not hold the program that this board object put on it. It
    was never programmed, or has been reset or overwritten."""


class VerifyError(HostError):
    """Error: even after all retries, a memory section reads back other words
    than were written."""


class InputWarning(UserWarning):
    """Warning: inputs are accepted, but look as if they were in another unit than
    the program's codes."""


class InputError(HostError, ValueError):
    """Error: an argument has a wrong type, shape or range; nothing was sent to the device."""
