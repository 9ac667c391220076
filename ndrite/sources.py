"""Paths or objects: what users give for a network or a compiled one, and what it stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from emulator.network import Network, load_network
from emulator.network.importing import Imported, import_model
from emulator.spec import Program
from host import InputError
from host.api import Progress
from ndrite.compiled import Compiled, is_compiled, load
from ndrite.files import array_of

MODELS = (".onnx", ".pt", ".pth")
"""Suffixes of files that are imported; other files are read as ours."""


class Held(NamedTuple):
    """A program, and the compiled network that it is part of; None of a program alone."""

    program: Program
    whole: Compiled | None


def held(source: Any) -> Held:
    """The program that ``source`` is or holds, and what it holds beside it.

    Raises
    ------
    FileNotFoundError, ProgramError, CompileError
        When a file is missing or is none of what is accepted.
    InputError
        When it is another kind of object.
    """
    if isinstance(source, Program):
        return Held(source, None)
    _no_model(source)
    if isinstance(source, str | os.PathLike) and Path(source).is_file() and not is_compiled(source):
        return Held(Program.load(source), None)
    whole = compiled_of(source)
    return Held(whole.program, whole)


def compiled_of(source: Any) -> Compiled:
    """What ``ndrite.compile`` gave; None: what ships.

    Raises
    ------
    FileNotFoundError, CompileError
        When a file is missing, or holds a program alone.
    InputError
        When it is another kind of object.
    """
    if source is None:
        return load()
    if isinstance(source, Compiled):
        return source
    _no_model(source)
    if isinstance(source, str | os.PathLike):
        return load(source)
    raise InputError(f"program is {type(source).__name__}; accepted: what compile gives, or its file")


def _no_model(source: Any) -> None:
    if isinstance(source, str | os.PathLike) and Path(source).suffix in MODELS:
        raise InputError(f"{source}: a model; compile it first: ndrite compile {source} --chip NAME -o mine")


def whole_of(source: Any) -> Compiled | None:
    """What `compile` gave, where that is what ``source`` is or names; errors as ``compiled_of``'s."""
    if isinstance(source, Compiled):
        return source
    return load(source) if isinstance(source, str | os.PathLike) and is_compiled(source) else None


def network_of(
    source: Any, samples: Any = None, progress: Progress | None = None, **options: Any
) -> tuple[Network, Imported | None]:
    """A network, the one of a file or of what `compile` gave, or a model that is imported now.

    Parameters
    ----------
    source:
        A ``Network`` or its file, what `compile` gave or its file, a ``torch.nn.Module``, a scikit-learn
        estimator, or the path of an ``.onnx``, ``.pt`` or ``.pth`` file.
    samples:
        Typical inputs of a model, in its own unit; they set the ranges of inputs and activations.
    progress, options:
        Of ``import_model``, for a model.

    Raises
    ------
    FileNotFoundError, NetworkError, UnsupportedNodeError, MissingExtraError
        When a file is missing, or the model cannot be imported.
    InputError
        When an option was given for what is no model.
    """
    known = _existing(source)
    if known is not None:
        if options:
            given = ", ".join(options).replace("output", "node")
            raise InputError(f"{given}: only of a model that is imported; accepted: without")
        return known, None
    x = None if samples is None else array_of(samples)
    imported = import_model(source, samples=x, progress=progress, **options)
    return imported.network, imported


def _existing(source: Any) -> Network | None:
    if isinstance(source, Network):
        return source
    whole = whole_of(source)
    if whole is not None:
        return whole.network
    if isinstance(source, str | os.PathLike) and Path(source).suffix not in MODELS:
        return load_network(Path(source))
    return None
