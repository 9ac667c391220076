"""run: one independent piece of work, described by plain data, with a key computed from
its content and code."""

from __future__ import annotations

import hashlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec.archive import ArchiveError, read_array
from ndrite.runs.code import code_digest

if TYPE_CHECKING:
    from ndrite.host import BoardApi


Row = dict[str, Any]
"""The result of a run: plain values by name, as JSON holds them."""


class RunError(EmulatorError):
    """Error in a run, in a folder of results or in a worker; the message names which."""


@dataclass(frozen=True)
class File:
    """A file as it was when the sweep plan was read: path and SHA-256. Remote workers
    are sent its content."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Record ``path`` as it is now. Raises OSError if it cannot be read."""
        return cls(str(path.resolve()), hashlib.sha256(path.read_bytes()).hexdigest())

    def read(self) -> bytes:
        """Return the file's content. Raises RunError if the file has changed since
        the plan was read."""
        try:
            data = Path(self.path).read_bytes()
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror})") from None
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise RunError(f"{self.path} has changed since the plan was read; start again")
        return data

    def array(self) -> npt.NDArray[Any]:
        """Return the array in this ``.npy`` file. Raises RunError if the file is not
        an ``.npy`` file."""
        try:
            return read_array(self.read())
        except ArchiveError as error:
            raise RunError(f"{self.path}: {error}") from None


@dataclass(frozen=True)
class Run:
    """A call of ``function`` (``package.module:name``) with ``parameters``, each of
    them a plain value or a ``File``.

    ``needs``: modules that the function imports by a name among its parameters.
    """

    function: str
    parameters: Mapping[str, Any]
    needs: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Return a hexadecimal digest of the function, its code and the parameters
        (including the content of files)."""
        module, _, _ = self.function.partition(":")
        plain = {k: v.sha256 if isinstance(v, File) else v for k, v in self.parameters.items()}
        code = [code_digest(name) for name in (module, *self.needs)]
        content = {"function": self.function, "parameters": plain, "code": code}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]

    @property
    def files(self) -> list[File]:
        """Return the files among the parameters."""
        return [value for value in self.parameters.values() if isinstance(value, File)]

    def perform(self, board: BoardApi | None = None) -> Row:
        """Call the function and return its row of plain values; a worker that has a
        board passes it as ``board``."""
        opened = {} if board is None else {"board": board}
        row = pkgutil.resolve_name(self.function)(**self.parameters, **opened)
        plain: Row = json.loads(json.dumps(row))
        return plain
