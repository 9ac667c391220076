"""Writing fitted values as a part of a chip description that ``--chip wan2022+mine.yaml`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from emulator.device.description import load_chip, parse_chip
from emulator.errors import ChipError
from emulator.files import whole_file


def save_preset(
    path: Path,
    section: str,
    values: dict[str, Any],
    *,
    source: str,
    description: str,
    card: dict[str, str] | None = None,
) -> None:
    """Write one section, each value with ``source``, and its device card, in whole or not at all.

    Raises
    ------
    ChipError
        When a fitted value lies outside what chip descriptions accept: the device does not fit the emulator.
    """
    fields = {
        name: {
            "value": list(value) if isinstance(value, tuple) else value,
            "source": source,
        }
        for name, value in values.items()
    }
    carded = {} if card is None else {"card": card}
    content = {"name": path.stem, "description": description, **carded, section: fields}
    check_values(section, values)
    with whole_file(path) as file:
        yaml.safe_dump(content, file, sort_keys=False, allow_unicode=True, width=110, encoding="utf-8")


def check_values(section: str, values: dict[str, Any]) -> None:
    """Refuse values that a chip description would refuse.

    Raises
    ------
    ChipError
        Naming the field, the fitted value and what is accepted.
    """
    content = load_chip("ideal").as_dict()
    content[section] = content[section] | values
    try:
        parse_chip(content)
    except ChipError as error:
        raise ChipError(f"the fitted {error}") from None
