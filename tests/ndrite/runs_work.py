"""Work for the engine's tests, importable by workers."""

import builtins
import importlib.util
import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from ndrite.emulator.golden import threads as golden_threads
from ndrite.emulator.spec.packets import Status
from ndrite.host.errors import DeviceError, HostError
from ndrite.runs import File


def note(
    folder: str,
    number: int,
    fails: tuple[int, ...] = (),
    kills: tuple[int, ...] = (),
    always: bool = False,
    pause: float = 0.0,
) -> dict[str, Any]:
    """The square of a number, once it is noted in the folder that the run was done."""
    time.sleep(pause)
    if number in fails and not (Path(folder) / "mended").exists():
        raise ValueError(f"number {number} fails")
    if number in kills and (always or not (Path(folder) / "killed").exists()):
        (Path(folder) / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (Path(folder) / f"{number}.{uuid.uuid4().hex}.done").touch()
    return {"square": number * number}


def total(x: File, times: int) -> dict[str, Any]:
    """A number out of a file."""
    return {"total": times * int(x.array().sum())}


def threads() -> dict[str, Any]:
    """Number of threads that the golden model and every library here computes with."""
    if importlib.util.find_spec("torch"):
        importlib.import_module("torch")
    return {"counts": [golden_threads.count(), *(lib["num_threads"] for lib in threadpool_info())]}


def ask(folder: str, number: int, hung: int, board: Any) -> dict[str, Any]:
    """What ``note`` does, on a board that hangs, if it has a geometry, after ``hung`` runs."""
    if len(list(Path(folder).glob("*.done"))) >= hung and board.geometry is not None:
        raise DeviceError(Status.HUNG, "a run")
    return note(folder, number)


def fails(kind: str) -> dict[str, Any]:
    """Raise an error of that name, of two lines."""
    error: type[Exception] = getattr(builtins, kind, HostError)
    raise error("one\ntwo")
