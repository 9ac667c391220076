"""Calls that must be refused, one test for a table of them."""

from typing import Any

import pytest

Errors = type[Exception] | tuple[type[Exception], ...]


def refused(error: Errors, *rows: tuple[Any, ...], given: str = "") -> Any:
    """A test, to be given a name in its module: what every row calls raises ``error``.

    A row is a function, its arguments, and a pattern of what is said; the values of the
    fixtures that ``given`` names, with spaces between them, come before the arguments.
    """

    @pytest.mark.parametrize("row", rows, ids=[str(row[-1]) for row in rows])
    def test(row: tuple[Any, ...], request: pytest.FixtureRequest) -> None:
        call, *arguments, said = row
        first = [request.getfixturevalue(name) for name in given.split()]
        with pytest.raises(error, match=said):
            call(*first, *arguments)

    return test
