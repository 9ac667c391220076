"""Chip descriptions in YAML: loads presets by name, files by path, and parts joined
with ``+``; saves parts."""

import os
from pathlib import Path
from typing import Any

from ndrite.emulator.device.description.schema import CARD, SECTIONS, Chip
from ndrite.emulator.device.fields import fields_of
from ndrite.emulator.errors import ChipError, require
from ndrite.emulator.yaml_file import read_yaml, write_yaml

PRESETS = Path(__file__).parent / "presets"
DEVICES = Path(__file__).parent / "devices"
JOIN = "+"


def list_chips() -> list[str]:
    """Return the names of the chip presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def list_devices() -> list[str]:
    """Return the names of the single devices (NDR, ECRAM) that can be added to a chip,
    as in ``wan2022+ndr-esaki``; sorted."""
    return sorted(path.stem for path in DEVICES.glob("*.yaml"))


def load_chip(name_or_path: str | os.PathLike[str]) -> Chip:
    """Load a chip description: a preset by its name, or a YAML file.

    Parts joined with ``+`` are laid over each other field by field, the last one
    winning: ``wan2022+mine.yaml`` is the preset with the fields of the file,
    ``wan2022+ndr-bell+ecram-tang2018`` one with other devices. Raises ChipError
    when there is no such preset or file, or a field is missing, unknown,
    mistyped or out of range.
    """
    try:
        text = os.fspath(name_or_path)
    except TypeError:
        kind = type(name_or_path).__name__
        raise ChipError(f"chip is of type {kind}; accepted: a preset's name, or a YAML file") from None
    return _parsed(*_joined(text))


def load_content(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the contents of a preset, device or file, or of several joined with ``+``,
    before defaults are filled in: sections of fields. Their names are checked. Raises
    ChipError when there is no such file, or a section or field is unknown."""
    path, content = _joined(os.fspath(name_or_path))
    check_part(content, path)
    return dict(content)


def _joined(text: str) -> tuple[str, Any]:
    """Read a preset, device or file; of several joined with ``+``, the fields of later
    ones override those of earlier ones. Return two values: the path (for several,
    ``text``), and the content. The content of a single file is not checked."""
    parts = [text] if Path(text).is_file() else text.split(JOIN)
    paths = [_find(part) for part in parts]
    contents = [read_yaml(path, ChipError) for path in paths]
    if len(parts) == 1:
        return str(paths[0]), contents[0]
    for path, content in zip(paths, contents, strict=True):
        check_part(content, str(path))
    # Remove the file suffix only: a preset's name may itself contain a dot.
    joined: dict[str, Any] = {"name": JOIN.join(path.name.removesuffix(".yaml") for path in paths)}
    joined["description"] = " ".join(str(content.get("description", "")).strip() for content in contents)
    joined["cards"] = {path.stem: c["card"] for path, c in zip(paths, contents, strict=True) if "card" in c}
    for content in contents:
        for section in SECTIONS:
            joined[section] = joined.get(section, {}) | content.get(section, {})
    return text, joined


def parse_chip(content: Any) -> Chip:
    """Build a chip from a nested dictionary: the content of a YAML file, or the output
    of ``Chip.as_dict``.

    A value is written plainly, or as ``{value: ..., source: ...}``. Raises ChipError
    when a field is missing, unknown, mistyped or out of range.
    """
    check_part(content, None)
    for key in ("name", "description"):
        if not isinstance(content.get(key, ""), str):
            raise ChipError(f"{key} is {content[key]!r}; accepted: text")
    require(bool(content.get("name")), "name", "missing", "a short name", ChipError)
    sources = content.get("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(v, str) for v in sources.values()):
        raise ChipError("sources is not a mapping; accepted: section.field to text")
    sources = {field: " ".join(source.split()) for field, source in sources.items()}
    cards = content.get("cards", {content["name"]: content["card"]} if "card" in content else {})
    return Chip(
        name=content["name"],
        description=" ".join(content.get("description", "").split()),
        sources=sources,
        cards={name: {key: " ".join(card[key].split()) for key in CARD} for name, card in cards.items()},
        **{n: cls(**_values(n, content.get(n, {}), cls, sources)) for n, cls in SECTIONS.items()},
    )


def check_part(content: Any, where: str | None) -> None:
    """Check the names of sections and fields in a chip description, which may be
    incomplete. Raises ChipError naming the unknown section or field, after ``where``
    if that is given."""
    try:
        if not isinstance(content, dict):
            raise ChipError(f"description is a {type(content).__name__}; accepted: a mapping of sections")
        _known("", content, ["name", "description", "card", *SECTIONS, "sources", "cards"])
        if not isinstance(content.get("cards", {}), dict):
            raise ChipError("cards is not a mapping; accepted: name of a part to its card")
        for card in (*content.get("cards", {}).values(), *([content["card"]] if "card" in content else [])):
            _check_card(card)
        for name, cls in SECTIONS.items():
            if not isinstance(content.get(name, {}), dict):
                raise ChipError(f"{name} is {content[name]!r}; accepted: a mapping of fields")
            _known(f"{name}.", content.get(name, {}), list(fields_of(cls)))
    except ChipError as error:
        raise ChipError(f"{where}: {error}" if where else str(error)) from None


def _find(part: str) -> Path:
    for folder in (PRESETS, DEVICES):
        if part in (path.stem for path in folder.glob("*.yaml")):
            return folder / f"{part}.yaml"
    path = Path(part)
    if not path.is_file():
        raise ChipError(
            f"chip is {part!r}; accepted: a YAML file, or a preset: {', '.join(list_chips())}; each may be "
            f"followed by {JOIN} and a device: {', '.join(list_devices())} (PRESET{JOIN}DEVICE)"
        )
    return path


def _parsed(where: str, content: Any) -> Chip:
    try:
        return parse_chip(content)
    except ChipError as error:
        hint = ""
        if isinstance(content, dict) and "cell" not in content and str(error).startswith("cell."):
            hint = f" (a single device? add it to a chip: wan2022{JOIN}{where})"
        raise ChipError(f"{where}: {error}{hint}") from None


def _values(name: str, content: dict[str, Any], cls: type[Any], sources: dict[str, str]) -> dict[str, Any]:
    """Return the plain values of a section's fields, and store the sources that are
    stated with the values in ``sources``."""
    values = {}
    for key, entry in content.items():
        where = f"{name}.{key}"
        if isinstance(entry, dict):
            _known(f"{where}.", entry, ["value", "source"])
            if "value" not in entry:
                raise ChipError(f"{where}.value is missing; accepted: {fields_of(cls)[key].accepted}")
            sources[where] = " ".join(str(entry.get("source", "")).split())
            entry = entry["value"]
        values[key] = entry
    return values


def _check_card(card: Any) -> None:
    require(isinstance(card, dict), "card", repr(card), f"a mapping of {', '.join(CARD)}", ChipError)
    _known("card.", card, list(CARD))
    for key in CARD:
        if not isinstance(card.get(key), str) or not card[key].strip():
            raise ChipError(f"card.{key} is {card.get(key)!r}; accepted: text")


def _known(where: str, content: dict[Any, Any], accepted: list[str]) -> None:
    for key in content:
        require(key in accepted, f"{where}{key}", "not a field", ", ".join(accepted), ChipError)


def save_preset(
    path: Path,
    section: str,
    values: dict[str, Any],
    *,
    source: str,
    description: str,
    card: dict[str, str] | None = None,
) -> None:
    """Write one section of a chip description, with a source for each value and a
    device card, as a file for ``--chip wan2022+mine.yaml``. The file is written
    completely or not at all. Call ``check_values`` first."""
    fields = {
        name: {"value": list(value) if isinstance(value, tuple) else value, "source": source}
        for name, value in values.items()
    }
    carded = {} if card is None else {"card": card}
    content = {"name": path.stem, "description": description, **carded, section: fields}
    write_yaml(path, content)


def check_values(section: str, values: dict[str, Any]) -> None:
    """Check fitted values of a section as loading a chip description would. Raises
    ChipError naming the field, the fitted value and what is accepted."""
    content = load_chip("ideal").as_dict()
    content[section] = content[section] | values
    try:
        parse_chip(content)
    except ChipError as error:
        raise ChipError(f"the fitted {error}") from None
