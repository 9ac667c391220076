"""Meaning: what codes in and values out stand for. It changes nothing that is computed."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Self

from emulator.spec.brief import brief_repr, shown
from emulator.spec.errors import MeaningError
from emulator.spec.inputs import InputRange

TEXT_MAX = 200
"""Characters of a name or unit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Meaning:
    """What a network or program is told about, for whoever reads its results.

    Attributes
    ----------
    inputs:
        The values that codes 0 and 255 stand for; None: inputs are codes.
    input_unit, output_unit:
        Units of the values in and out, text; empty: none said.
    data_set:
        The data set by name that commands take where none is given; None: they ask.
    classes:
        Name of each output, where outputs are classes; empty: not said.
    output_step:
        What one step of the outputs is in ``output_unit``; None before mapping.

    Raises
    ------
    MeaningError
        Naming the field, when it is of another kind.
    """

    __repr__ = brief_repr

    inputs: InputRange | None = None
    input_unit: str = ""
    output_unit: str = ""
    data_set: str | None = None
    classes: tuple[str, ...] = ()
    output_step: float | None = None

    def __post_init__(self) -> None:
        for name in ("input_unit", "output_unit", "data_set"):
            _text(name, getattr(self, name), optional=name == "data_set")
        if not isinstance(self.classes, tuple):
            raise MeaningError(f"classes is {shown(self.classes)}; accepted: a list of names")
        for i, name in enumerate(self.classes):
            _text(f"classes[{i}]", name)
        step = self.output_step
        if step is not None and not (type(step) is float and 0 < step < math.inf):
            raise MeaningError(f"output_step is {step!r}; accepted: a number above 0")

    def check(self, outputs: int) -> None:
        """Raise MeaningError when there are classes, but not a name for each output."""
        if self.classes and len(self.classes) != outputs:
            raise MeaningError(f"classes has {len(self.classes)} names; accepted: {outputs}, one an output")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: what is said, nothing else."""
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.inputs is not None:
            said["inputs"] = self.inputs.as_dict()
        return {name: _plain(value) for name, value in said.items() if value not in (None, "", ())}

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """What ``as_dict`` gave. Raises MeaningError when that is not what it is."""
        if not isinstance(content, dict):
            raise MeaningError(f"meaning is {shown(content)}; accepted: an object")
        known = [f.name for f in dataclasses.fields(cls)]
        for name in content:
            if name not in known:
                raise MeaningError(f"meaning.{name} is not a field; accepted: {', '.join(known)}")
        given = dict(content)
        if "inputs" in given:
            given["inputs"] = InputRange.from_dict(given["inputs"])
        if isinstance(given.get("classes"), list):
            given["classes"] = tuple(given["classes"])
        return cls(**given)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(name: str, value: Any, *, optional: bool = False) -> None:
    if optional and value is None:
        return
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise MeaningError(
            f"{name} is {shown(value)}; accepted: printable text of at most {TEXT_MAX} characters"
        )
