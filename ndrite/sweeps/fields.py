"""fields: what a plan's fields take, checked, and a point of a plan."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from ndrite.emulator.device.description import Chip, parse_chip
from ndrite.emulator.spec.brief import shown
from ndrite.emulator.spec.errors import require
from ndrite.runs import Run
from ndrite.runs.run import RunError

Fields = Mapping[str, tuple[Any, Any, str]]
"""Field -> what it takes, its default, and the first in words."""


class SweepError(RunError):
    """A sweep plan that cannot be used."""


require_plan = partial(require, error=SweepError)


class Point(NamedTuple):
    """One combination: a call of what computes it, and ``axes``, what the plan varied, for the table."""

    run: Run
    axes: dict[str, Any]


def checked(content: Any, known: Fields, what: str = "") -> dict[str, Any]:
    """Fields of a plan, or of its part ``what``: given values, checked, or their defaults. SweepError names
    the field, its value and what is accepted."""
    require_plan(isinstance(content, dict), what or "plan", shown(content), "a mapping of fields")
    inside = f"{what}." if what else ""
    for name in content:
        require_plan(name in known, f"field {inside}{name}", "unknown", ", ".join(known))
    fields: dict[str, Any] = {name: default for name, (_, default, _) in known.items()} | content
    for name, value in content.items():
        kind, _, accepted = known[name]
        try:
            TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError:
            raise SweepError(f"{inside}{name} is {shown(value)}; accepted: {accepted}") from None
    return fields


def axis_value(value: Any) -> Any:
    """A value of an axis as a table has it: a number, True, False, None or text."""
    return value if isinstance(value, bool | int | float | None) else str(value)


def changed(chip: Chip, varied: Mapping[str, Any]) -> Chip:
    """The description with dotted fields set; ChipError where one does not fit."""
    content = chip.as_dict()
    if content["cell"]["on_off_ratio"] is not None:
        content["cell"]["g_min_uS"] = 0.0  # it follows at every point
    for field, value in varied.items():
        section, _, name = field.partition(".")
        content[section][name] = value
    return parse_chip(content)
