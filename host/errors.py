"""Errors between host and device, a small hierarchy: catch HostError for all of it."""

from ndrite.emulator.spec.packets import Status

MEANINGS = {Status.HUNG: "hung; the watchdog has reset the core, program the program again"}
"""Where a status says less than the user needs."""


class HostError(Exception):
    """Anything that kept the host from getting a certain answer."""


class LinkError(HostError):
    """The byte stream itself failed: no such port, port busy, cable pulled, simulation not built."""


class LinkTimeout(LinkError):
    """The device did not answer in time, every retry included."""


class ProtocolError(HostError):
    """Answers kept coming damaged or out of order until the retries were spent."""


class IdentityError(HostError):
    """The device is not one that this host can drive; the message says what to rebuild."""


class DeviceError(HostError):
    """The device refused a request.

    ``status`` is the status code it gave, ``request`` names the request in words.
    """

    def __init__(self, status: Status, request: str) -> None:
        meaning = MEANINGS.get(status, status.name.lower().replace("_", " "))
        super().__init__(f"device refused {request}: {meaning}")
        self.status = status
        self.request = request


class NotProgrammedError(HostError):
    """The chip does not hold the program this Board programmed (never programmed, reset, or overwritten)."""


class VerifyError(HostError):
    """A memory section reads back other than written, after every retry."""


class InputWarning(UserWarning):
    """Inputs that are accepted, and look as if they were in another unit than the program's."""


class InputError(HostError, ValueError):
    """Inputs of a wrong type, shape or range; nothing was sent."""
