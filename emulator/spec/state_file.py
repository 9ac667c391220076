"""State file of an unfinished run: what is done, of which run and with which code,
protected by one digest.

The first line is JSON with the run's mark and the digest of the rest; the rest
is the run's own.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ndrite.emulator.spec.archive import FIELD, digest
from ndrite.emulator.spec.errors import SpecError
from ndrite.emulator.spec.files import whole_file

CODE = "code of emulator"
"""Field of a state file that holds the digest of the code, since any change of the code
may change a run's results."""


class StateError(SpecError):
    """A file is not the saved state of a run, was changed since it was written, or
    belongs to another run."""


def save_state(path: Path, mark: Mapping[str, Any], content: bytes, *, code: str | None = None) -> None:
    """Write the state of a run; the file is written completely or not at all.

    ``mark``: what the run depends on, plain values by name; ``code``: digest of the
    code it depends on, all of ``emulator`` by default.
    """
    head = {"mark": _mark(mark, code), "content": hashlib.sha256(content).hexdigest()}
    with whole_file(path) as file:
        file.write(json.dumps(head | {FIELD: digest(head)}).encode() + b"\n" + content)


def load_state(path: Path, mark: Mapping[str, Any], *, code: str | None = None) -> bytes:
    """Read a file that ``save_state`` wrote; return its content. Raises
    StateError when the file is not a saved state, was edited, or belongs to a run
    whose mark or code differs."""
    line, _, content = path.read_bytes().partition(b"\n")
    try:
        head = json.loads(line)
        sealed = (head[FIELD], head["content"]) == (digest(head), hashlib.sha256(content).hexdigest())
        mark_read = dict(head["mark"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path}: not the state of a run ({error}); delete it to start anew") from None
    if not sealed:
        raise StateError(f"{path}: changed since it was written (checksum differs); delete it to start anew")
    mark_now = _mark(mark, code)
    changed = sorted(name for name in mark_now | mark_read if mark_read.get(name) != mark_now.get(name))
    if changed:
        raise StateError(
            f"{path}: state of a run that differs in {', '.join(changed)}; accepted: the same run, or delete "
            f"the file to start anew"
        )
    return content


def _mark(mark: Mapping[str, Any], code: str | None) -> dict[str, Any]:
    """Return the mark of a run as a file will contain it, with the digest of the code added."""
    read_back: dict[str, Any] = json.loads(json.dumps({CODE: code or code_digest(), **mark}, default=str))
    return read_back


@cache
def code_digest() -> str:
    """Return the SHA-256, hexadecimal, of the names and contents of all source
    files of ``emulator``."""
    sha = hashlib.sha256()
    root = Path(str(files("ndrite.emulator")))
    for path in sorted(root.rglob("*.py")):
        sha.update(f"{path.relative_to(root).as_posix()}\n".encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()
