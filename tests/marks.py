"""Marks of single parameters."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def long_where(chosen: Callable[[Any], bool], values: Iterable[Any]) -> list[Any]:
    """The parameters ``values``; those that are ``chosen`` take long: ``make
    test-long`` runs them.

    A value is a parameter, or a tuple of the parameters of one case.
    """
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.long)
        if chosen(value)
        else value
        for value in values
    ]
