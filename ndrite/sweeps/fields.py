"""fields: the fields of a sweep plan, their checks, and the points of a plan."""

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
"""Field of a plan -> its type, its default, and its accepted values in words."""


class SweepError(RunError):
    """Error in a sweep plan; the message names the field, its value and what is accepted."""


require_plan = partial(require, error=SweepError)


class Point(NamedTuple):
    """One combination of values in a sweep plan: the run that computes it, and
    ``axes``, the varied values, for the table."""

    run: Run
    axes: dict[str, Any]


def checked(content: Any, known: Fields, what: str = "") -> dict[str, Any]:
    """Check the fields of a sweep plan, or of its section ``what``, and fill in
    defaults. SweepError names the field, its value and what is accepted."""
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


def axis_value(value: object) -> bool | float | str | None:
    """Convert the value of an axis for the table of results: numbers, True, False and
    None stay as they are, all other values become text."""
    return value if isinstance(value, bool | int | float | None) else str(value)


def changed(chip: Chip, varied: Mapping[str, object]) -> Chip:
    """Return ``chip`` with the dotted fields (``section.field``) in ``varied`` set to
    their values. Raises ChipError for a field that does not exist."""
    content = chip.as_dict()
    if content["cell"]["on_off_ratio"] is not None:
        content["cell"]["g_min_uS"] = 0.0  # each point derives g_min_uS from its on_off_ratio
    for field, value in varied.items():
        section, _, name = field.partition(".")
        content[section][name] = value
    return parse_chip(content)
