"""Field types of a chip description, checked by pydantic. An error names section,
field, value and accepted range.

A section is a pydantic dataclass made by ``section(name)``; what a field takes stands
in its annotation, as ``number``, ``numbers`` or ``choice``. Pydantic says in its own
words what is wrong: ``in_words`` says it as every other error here does.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar, dataclass_transform, get_type_hints

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Le, MultipleOf
from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic import dataclasses as pydantic_dataclasses
from pydantic_core import CoreSchema, core_schema

from ndrite.emulator.errors import ChipError
from ndrite.emulator.spec.brief import shown

Section = TypeVar("Section")
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""Strict validation: no text for a number, no True for 1, no unknown fields."""


@dataclass(frozen=True)
class number(GroupedMetadata):
    """Declare a field that accepts a number in [low, high]; with ``multiple``, only
    multiples of ``multiple``.

    ``models`` names the values of the section's ``model`` that the field matters
    to; empty: to all.
    """

    low: float
    high: float
    multiple: int = 1
    models: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[BaseMetadata]:
        yield from (Ge(self.low), Le(self.high))
        if self.multiple > 1:
            yield MultipleOf(self.multiple)

    @property
    def accepted(self) -> str:
        several = f", a multiple of {self.multiple}" if self.multiple > 1 else ""
        return f"{self.low:g}..{self.high:g}{several}"


@dataclass(frozen=True)
class numbers:
    """Declare a field that accepts up to ``longest`` numbers in [low, high], as a list
    or tuple, stored as a tuple. ``models`` names the values of the section's ``model``
    that use the field, as in ``number``."""

    low: float
    high: float
    longest: int
    models: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        scalar_schema = core_schema.float_schema(ge=self.low, le=self.high, strict=True, allow_inf_nan=False)
        return core_schema.tuple_variable_schema(scalar_schema, max_length=self.longest, strict=False)

    @property
    def accepted(self) -> str:
        return f"a list of at most {self.longest} numbers in {self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class choice:
    """Declare a field that accepts one of ``values``."""

    values: tuple[Any, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Check the type before the value, because the list of values alone would accept
        # True for 1 and 8.0 for 8.
        return core_schema.chain_schema([handler(source), core_schema.literal_schema(list(self.values))])

    @property
    def accepted(self) -> str:
        return "one of " + ", ".join(map(str, self.values))


@dataclass_transform(frozen_default=True, kw_only_default=True)
def section(name: str) -> Callable[[type[Section]], type[Section]]:
    """Return a class decorator that makes a frozen, strict pydantic dataclass of a
    description section. All its validation errors, also those of ``require_field``, are
    raised as ``ChipError``."""

    def made(cls: type[Section]) -> type[Section]:
        described: Any = pydantic_dataclasses.dataclass(frozen=True, kw_only=True, config=STRICT)(cls)
        plain = described.__init__
        described.where, described.refused = f"{name}.", ChipError

        def __init__(self: Any, **values: Any) -> None:
            try:
                plain(self, **values)
            except ValidationError as error:
                raise ChipError(in_words(error, described, name, values)) from None

        described.__init__ = __init__
        return described  # type: ignore[no-any-return]

    return made


_hints = cache(partial(get_type_hints, include_extras=True))


def fields_of(cls: Any) -> dict[str, number | numbers | choice]:
    """Return what each field of a section accepts, by field name."""
    return {name: hint.__metadata__[0] for name, hint in _hints(cls).items()}


def in_words(error: ValidationError, cls: Any, name: str, values: Mapping[str, Any]) -> str:
    """Describe in one line the first error that pydantic reported for ``values`` of the
    description section ``name`` with class ``cls``."""
    first_error, fields = error.errors()[0], fields_of(cls)
    if not first_error["loc"]:  # raised by a check that compares several fields
        return str(first_error["ctx"]["error"])
    field = str(first_error["loc"][0])
    if field not in fields:
        return f"{name}.{field} is not a field; accepted: {', '.join(fields)}"
    if first_error["type"].startswith("missing"):
        return f"{name}.{field} is missing; accepted: {fields[field].accepted}"
    value = values[field]
    if type(value) is int and "float" in str(get_type_hints(cls)[field]):
        value = float(value)
    hint = (
        " (YAML reads it as text: write 1.0e-6, 1.0e+6)" if _is_number_as_text(value, fields[field]) else ""
    )
    return f"{name}.{field} is {shown(value, 80)}; accepted: {fields[field].accepted}{hint}"


def _is_number_as_text(value: Any, field: number | numbers | choice) -> bool:
    if not isinstance(value, str) or not isinstance(field, number):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True
