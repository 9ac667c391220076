"""Calls that must be refused, one test for a table of them."""

from collections.abc import Callable
from typing import Any

import pytest

Errors = type[Exception] | tuple[type[Exception], ...]


def refused(error: Errors, call: Callable[..., object], *rows: tuple[Any, ...], given: str = "") -> Any:
    """A test, to be given a name in its module: for every row ``call`` raises ``error``.

    A row's last entry is a pattern of what is said, those before it are the call's arguments; the values of
    the fixtures that ``given`` names, with spaces between them, come first.
    """

    @pytest.mark.parametrize("row", rows, ids=[str(row[-1]) for row in rows])
    def test(row: tuple[Any, ...], request: pytest.FixtureRequest) -> None:
        *arguments, said = row
        first = [request.getfixturevalue(name) for name in given.split()]
        with pytest.raises(error, match=said):
            call(*first, *arguments)

    return test
