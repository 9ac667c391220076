"""Reading chip descriptions from YAML: presets by name, files by path."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import yaml

from emulator.chips.schema import SECTIONS, Chip
from emulator.errors import ChipError

PRESETS = Path(__file__).parent / "presets"
BYTES_MAX = 1 << 20


def list_chips() -> list[str]:
    """Names of the presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_chip(name_or_path: str | os.PathLike[str]) -> Chip:
    """The preset of that name, or the description in that YAML file.

    Raises
    ------
    ChipError
        When there is no such preset or file, or a field is missing, unknown, mistyped or out of range.
    """
    text = os.fspath(name_or_path)
    path = PRESETS / f"{text}.yaml" if text in list_chips() else Path(text)
    if not path.is_file():
        raise ChipError(f"chip is {text!r}; accepted: a YAML file, or a preset: {', '.join(list_chips())}")
    if path.stat().st_size > BYTES_MAX:
        raise ChipError(f"{path}: size is {path.stat().st_size} bytes; accepted: at most {BYTES_MAX}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ChipError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    try:
        return parse_chip(content)
    except ChipError as error:
        raise ChipError(f"{path}: {error}") from None


def parse_chip(content: Any) -> Chip:
    """A chip from the nested dictionary a YAML file holds.

    A value is written plainly, or as ``{value: ..., source: ...}``.

    Raises
    ------
    ChipError
        When a field is missing, unknown, mistyped or out of range.
    """
    if not isinstance(content, dict):
        raise ChipError(f"description is a {type(content).__name__}; accepted: a mapping of sections")
    _known("", content, ["name", "description", *SECTIONS])
    for key in ("name", "description"):
        if not isinstance(content.get(key, ""), str):
            raise ChipError(f"{key} is {content[key]!r}; accepted: text")
    if not content.get("name"):
        raise ChipError("name is missing; accepted: a short name")
    sources: dict[str, str] = {}
    sections = {name: _section(name, content.get(name, {}), sources) for name in SECTIONS}
    return Chip(
        name=content["name"],
        description=" ".join(content.get("description", "").split()),
        sources=sources,
        **sections,
    )


def _section(name: str, content: Any, sources: dict[str, str]) -> Any:
    cls = SECTIONS[name]
    if not isinstance(content, dict):
        raise ChipError(f"{name} is {content!r}; accepted: a mapping of fields")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    _known(f"{name}.", content, list(fields))
    values = {}
    for key, entry in content.items():
        where = f"{name}.{key}"
        if isinstance(entry, dict):
            _known(f"{where}.", entry, ["value", "source"])
            if "value" not in entry:
                raise ChipError(f"{where}.value is missing; accepted: {fields[key].metadata['accepted']}")
            sources[where] = " ".join(str(entry.get("source", "")).split())
            entry = entry["value"]
        values[key] = entry
    for key, field in fields.items():
        if key not in values and field.default is dataclasses.MISSING:
            raise ChipError(f"{name}.{key} is missing; accepted: {field.metadata['accepted']}")
    return cls(**values)


def _known(where: str, content: dict[Any, Any], accepted: list[str]) -> None:
    for key in content:
        if key not in accepted:
            raise ChipError(f"{where}{key} is not a field; accepted: {', '.join(accepted)}")
