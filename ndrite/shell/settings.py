"""The configuration file: default board and chip, found in the user's configuration folder or by
``NDRITE_CONFIG``."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from host import InputError

VARIABLE = "NDRITE_CONFIG"
KEYS = {
    "board": ("infer", "evaluate", "calibrate", "campaign"),
    "chip": ("compile",),
    "preset": ("serve", "trace", "report"),
}
"""Key of the file -> commands whose parameter of that name it is the default of."""


def settings_path() -> Path:
    """Where the file is looked for: ``$NDRITE_CONFIG``, else ``config.toml`` in the user's folder."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else user_config_path("ndrite") / "config.toml"


def defaults() -> dict[str, Any]:
    """Defaults by command, for click; empty without a file.

    Raises InputError when the file is not TOML, or has an unknown key or a value that is no text.
    """
    path = settings_path()
    if not path.is_file():
        if os.environ.get(VARIABLE):
            raise InputError(f"{path}: no such file, named by {VARIABLE}")
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a TOML file ({error})") from None
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key not in KEYS:
            raise InputError(f"{path}: key is {key!r}; accepted: {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise InputError(f"{path}: {key} is {value!r}; accepted: text")
        for command in KEYS[key]:
            found.setdefault(command, {})[key] = value
    return {**found, "board": {"serve": found.pop("serve", {})}}
