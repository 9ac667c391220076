"""Errors of the float side of the emulator: each message names the field, its value and
what is accepted.

Integer-side errors (geometry, program file) live in ``ndrite.emulator.spec.errors``.
"""

from ndrite.emulator.spec.errors import require as require
from ndrite.emulator.spec.errors import require_field as require_field
from ndrite.emulator.spec.errors import require_line as require_line


class EmulatorError(ValueError):
    """Base class of all errors for bad input to the emulator; catch it to report any of
    them in one line."""


class DatasetError(EmulatorError):
    """A data file is missing, damaged, or differs from what its header says."""


class NetworkError(EmulatorError):
    """A network description is inconsistent, or a file does not contain a network."""


class UnsupportedNodeError(NetworkError):
    """A node of the user's model cannot be imported; the message names the node and a
    supported alternative."""

    def __init__(self, node: str, kind: str, instead: str) -> None:
        super().__init__(f"node {node!r} ({kind}) is not supported; {instead}")
        self.node, self.kind, self.instead = node, kind, instead


class PhysicsError(EmulatorError):
    """A device parameter is outside its physical or fitted range."""


class ChipError(EmulatorError):
    """A chip description has a missing, unknown or out-of-range field."""


class CompileError(EmulatorError):
    """A network cannot be mapped onto a chip."""


class CompileWarning(UserWarning):
    """A compilation succeeded but had to cut values or results; the text says
    which and how many."""


class PlainWarning(UserWarning):
    """The golden model runs in plain NumPy, without compiled loops: slower, with
    bit-identical results. The text says why."""


class MissingExtraError(EmulatorError, ImportError):
    """An optional package is not installed; the message names the extra of ndrite
    that installs it."""
