"""cluster: the workers of a Dask scheduler that somebody else has started."""

import atexit
import importlib.metadata
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any

from ndrite.emulator.errors import MissingExtraError
from ndrite.runs.code import OWN, code_digest
from ndrite.runs.run import File, Row, Run, RunError

AHEAD = 2
"""Runs under way per thread of a worker, so that none waits for the next."""
ASKED_S = 2.0
"""Seconds for which the number of threads is remembered."""
PATIENCE_S = 10.0
"""Seconds that a scheduler has to answer, or to come back."""


class Cluster:
    """Workers of a Dask scheduler at tcp://HOST:PORT, or at tls://HOST:PORT with the
    TLS settings of Dask's configuration.

    Raises RunError when it does not answer, has no worker, or a worker has other code
    or lacks a package.
    """

    def __init__(self, address: str, needs: Sequence[str] = ()) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise MissingExtraError("a Dask scheduler needs distributed: pip install 'ndrite[cluster]'")
        import distributed

        if not address.startswith(("tcp://", "tls://")):
            raise RunError(f"scheduler is {address}; accepted: tcp://HOST:PORT or tls://HOST:PORT")
        dask: Any = distributed
        security = dask.Security() if address.startswith("tls://") else None
        try:
            self._client = dask.Client(address, security=security, timeout=PATIENCE_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            why = " ".join(str(error).split())[:200]
            raise RunError(f"scheduler {address} does not answer ({why})") from None
        self._address, self._executor = address, self._client.get_executor(pure=False)
        self._sent: dict[str, Any] = {}
        self._threads, self._asked = 0, 0.0
        self._check(needs)

    @property
    def places(self) -> int:
        """Return the number of runs that may be under way: ``AHEAD`` for every
        thread of all workers."""
        if time.monotonic() > self._asked + ASKED_S and self._client.status == "running":
            self._threads, self._asked = sum(self._client.nthreads().values()), time.monotonic()
        return AHEAD * self._threads

    def _check(self, needs: Sequence[str]) -> None:
        expected = _installed(needs)
        try:
            workers = self._client.run(_installed, needs)
        except Exception as error:  # any error that importing ndrite raised on a worker
            self.close()
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise RunError(f"a worker of {self._address} cannot import ndrite ({why})") from None
        if not workers:
            self.close()
            raise RunError(f"scheduler {self._address} has no worker; start one: dask worker {self._address}")
        for name, installed in sorted(workers.items()):
            for field, value in expected.items():
                if installed[field] != value:
                    self.close()
                    raise RunError(
                        f"worker {name}: {field} is {installed[field]}; accepted: {value}, as here"
                    )

    def submit(self, run: Run) -> Future[Row]:
        """Submit a run. Waits while a scheduler restarts; raises RunError if it
        does not come back."""
        deadline = time.monotonic() + 2 * PATIENCE_S
        while self._client.status != "running":
            if self._client.status == "closed" or time.monotonic() > deadline:
                raise RunError(
                    f"scheduler {self._address} has gone away; finished runs are kept, and the same command "
                    "continues"
                )
            time.sleep(0.05)
        contents = {file.sha256: self._content(file) for file in run.files}
        future: Future[Row] = self._executor.submit(_perform, run, run.key, contents)
        return future

    def _content(self, file: File) -> Any:
        """Return the key under which Dask holds the content of a file; every worker
        gets the content."""
        sent = self._sent.get(file.sha256)
        if sent is None or sent.status != "finished":  # a restarted scheduler has lost the content
            sent = self._sent[file.sha256] = self._client.scatter(file.read(), broadcast=True)
        return sent

    def close(self) -> None:
        """Disconnect from the scheduler, which keeps running."""
        self._client.close(timeout=2)


def _installed(needs: Sequence[str]) -> dict[str, str]:
    """Return what a worker must have in common with this process: the version of
    ndrite, digests of its code, and the presence of packages."""
    modules = {"ndrite.emulator.golden.core", *needs}
    own_modules = sorted(name for name in modules if name.partition(".")[0] in OWN)
    return {
        "ndrite": importlib.metadata.version("ndrite"),
        **{f"code of {name}": code_digest(name)[:12] for name in own_modules},
        **{
            n: "there" if importlib.util.find_spec(n) else "missing"
            for n in sorted(modules.difference(own_modules))
        },
    }


def _perform(run: Run, key: str, contents: dict[str, bytes]) -> Row:
    """Perform a run on a worker, which writes each file that the run needs once per process."""
    local = dict(run.parameters)
    for name, file in run.parameters.items():
        if isinstance(file, File):
            path = _folder() / file.sha256[:24] / Path(file.path).name
            if not path.is_file():
                path.parent.mkdir(exist_ok=True)
                part = path.with_name(f"{path.name}.{get_ident()}")
                part.write_bytes(contents[file.sha256])
                part.replace(path)
            local[name] = File(str(path), file.sha256)
    run = replace(run, parameters=local)
    if run.key != key:
        raise RunError(
            f"a worker has other code for {run.function} than the process that submits runs; install the "
            "same version of ndrite on both"
        )
    return run.perform()


@cache
def _folder() -> Path:
    """Return a folder for files that is used by this process only."""
    folder = Path(tempfile.mkdtemp(prefix="ndrite-files-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
