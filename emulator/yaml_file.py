"""YAML files from anywhere: plain data only, bounded in size, depth and repetition."""

import re
from pathlib import Path
from typing import Any

import yaml

from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.spec.files import whole_file

BYTES_MAX = 1 << 20
DEPTH_MAX = 16
PLAIN = (str, int, float, bool, type(None))
OTHER_BASE = re.compile(r"[-+]?0[0-9_]+$|[-+]?[0-9_]+(:[0-9]+)+(\.[0-9_]*)?$")
"""Octal numbers 010 and sexagesimal numbers 1:30, as YAML 1.1 reads them: nobody who
writes them means 8 and 90."""


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""YAML parser: that of libyaml if PyYAML was built with it, which has the same rules
and is several times as fast."""


class _Loader(_Parser):  # type: ignore[misc]
    """YAML loader for plain data; a repeated key and numbers of base 8 or 60 are errors."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in lines:
                raise _Refused(
                    f"line {line} repeats the key {key.value!r} of line {lines[key.value]}; "
                    "accepted: each key once"
                )
            lines[key.value] = line
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if number and isinstance(node, yaml.ScalarNode) and OTHER_BASE.match(node.value):
            raise _Refused(
                f"line {node.start_mark.line + 1} has {node.value}, a number of base 8 or 60; "
                f"accepted: decimal numbers without leading zeros"
            )
        return super().construct_scalar(node)


class _Refused(Exception):
    """The file is valid YAML, but uses a feature that this project does not accept."""


def read_yaml(path: Path, error: type[EmulatorError]) -> Any:
    """Return the contents of a YAML file: mappings with text keys, lists, text,
    numbers, booleans and null. Raises ``error`` when the file cannot be read, is not
    YAML, is larger than 1 MiB, repeats a key, repeats parts by aliases (a few bytes
    could stand for gigabytes), is nested too deeply, or contains another kind of value,
    such as a date or an octal number."""
    try:
        size = path.stat().st_size
        require(size <= BYTES_MAX, f"{path}: size", f"{size} bytes", f"at most {BYTES_MAX}", error)
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror})") from None
    except UnicodeDecodeError as fault:
        raise error(f"{path}: not YAML ({fault})") from None
    try:
        depth = 0
        for event in yaml.parse(text, _Parser):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise error(f"{path}: line {line} has the alias *{event.anchor}; accepted: no aliases")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEPTH_MAX:
                raise error(
                    f"{path}: line {line} is nested deeper than {DEPTH_MAX}; accepted: sections of fields"
                )
        content = yaml.load(text, _Loader)
    except _Refused as fault:
        raise error(f"{path}: {fault}") from None
    # Besides its own errors, yaml raises ValueError for an impossible date or an
    # integer of thousands of digits.
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        raise error(f"{path}: not YAML ({' '.join(str(fault).split())})") from None
    _check(content, "", path, error)
    return content


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write plain data with keys in their order; the file is written
    completely or not at all."""
    with whole_file(path) as file:
        yaml.safe_dump(content, file, sort_keys=False, allow_unicode=True, width=110, encoding="utf-8")


def _check(value: Any, where: str, path: Path, error: type[EmulatorError]) -> None:
    if isinstance(value, dict):
        for key, entry in value.items():
            require(isinstance(key, str), f"{path}: {where or 'a'} key", repr(key), "text", error)
            _check(entry, f"{where}.{key}" if where else key, path, error)
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            _check(entry, f"{where}[{i}]", path, error)
    elif not isinstance(value, PLAIN):
        kind = type(value).__name__
        raise error(
            f"{path}: {where or 'the file'} is a {kind}; accepted: text, a number, true, false or null"
        )
