"""What can go wrong on the way to a bitstream."""

from host.errors import HostError


class BuildError(HostError):
    """A tool is missing or a stage failed; the message says which."""


class TimingError(BuildError):
    """Everything was built, but the design is not as fast as the board's clock."""
