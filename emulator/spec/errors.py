"""Errors of the specification layer: each message names the field, its value and
the accepted range."""

from typing import Any


class SpecError(ValueError):
    """Base class of the errors below: something does not fit the specification."""


class GeometryError(SpecError):
    """A geometry is not allowed, or cannot hold a program."""


class ProgramError(SpecError):
    """A program is damaged, of another version, or outside the arithmetic's ranges."""


class MeaningError(SpecError):
    """The meaning of inputs and outputs (range, classes, units) does not fit the program."""


def require(
    ok: bool, what: str, value: object, accepted: str, error: type[ValueError] = ProgramError
) -> None:
    """Raise an error unless ``ok``. The message names ``what`` is wrong, its value, and
    what is accepted."""
    if not ok:
        raise error(f"{what} is {value}; accepted: {accepted}")


LINE_MAX = 1000
"""Largest number of characters in a name."""


def require_line(what: str, value: object, error: type[ValueError] = ProgramError) -> None:
    """Raise an error unless ``value`` is one line of printable text.

    Names come from files of other people, and go into pages, decks, terminals and messages.
    """
    fits = isinstance(value, str) and 0 < len(value) <= LINE_MAX and value.isprintable()
    accepted = f"one line of 1..{LINE_MAX} printable characters"
    require(fits, what, repr(value)[:LINE_SHOWN], accepted, error)


LINE_SHOWN = 60
"""Number of characters of a value that an error message shows."""


def require_field(of: Any, ok: bool, field: str, accepted: str) -> None:
    """Raise the error class ``of.refused`` unless ``ok``: a message like that of
    ``require`` for the field ``field`` of the object ``of``. If ``of`` has an attribute
    ``where``, the message puts it before the field's name."""
    value = getattr(of, field)
    shown_value = repr(value) if isinstance(value, str) else value
    require(ok, f"{getattr(of, 'where', '')}{field}", shown_value, accepted, of.refused)
