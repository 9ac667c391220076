"""by_name: signals that take those of the same names from elsewhere."""

from typing import Any


def by_name(to: Any, source: Any, *names: str) -> list[Any]:
    """Each of ``to``'s signals, or fields, called ``names`` is assigned ``source``'s of that name.

    For ports of which only some are alike; where all are, ``wiring.connect`` says so.
    """
    return [getattr(to, name).eq(getattr(source, name)) for name in names]
