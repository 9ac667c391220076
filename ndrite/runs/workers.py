"""workers: where runs are done. Each kind takes a run and gives a future; none keeps anything.

Local processes end with the process that started them and leave Ctrl-C to it. On a Dask cluster every worker
gets a file's content once. ndrite starts no scheduler and opens no port.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from ndrite.emulator.errors import MissingExtraError
from ndrite.runs.code import code_digest
from ndrite.runs.run import File, Run, RunError


class WorkerLost(Exception):
    """A worker went away before its run was done; the text names it."""


class Workers(Protocol):
    """Does runs; closed when the last one is done."""

    @property
    def count(self) -> int:
        """How many runs are done at the same time."""

    def submit(self, run: Run) -> Future[dict[str, Any]]:
        """Begin a run; its future raises WorkerLost where the worker goes away."""

    def close(self) -> None:
        """Let the workers go."""


class Here:
    """This process, one run after the other: a run is done when it is submitted."""

    count = 1

    def submit(self, run: Run) -> Future[dict[str, Any]]:
        done: Future[dict[str, Any]] = Future()
        try:
            done.set_result(run.perform())
        except Exception as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        pass


class Processes:
    """``count`` local processes. One that dies takes the pool with it: a new one is started."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = self._new()

    def submit(self, run: Run) -> Future[dict[str, Any]]:
        # A process leaves Ctrl-C to the one that starts it: what is blocked here is there for good.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            try:
                inner = self._pool.submit(run.perform)
            except BrokenProcessPool:
                self.close()
                self._pool = self._new()
                inner = self._pool.submit(run.perform)
            processes = list((self._pool._processes or {}).values())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return _translated(inner, BrokenProcessPool, lambda: f"a local process ({_dead(processes)})")

    def close(self) -> None:
        """End the processes, whatever they are at."""
        started = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.terminate()
        for process in started:
            process.join()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.count, get_context("spawn"), _begin)


def _dead(processes: list[Any]) -> str:
    """Numbers and exit codes of the processes that ended by themselves; the pool terminates the others."""
    for process in processes:
        process.join(1)
    ended = [p for p in processes if p.exitcode not in (None, 0, -signal.SIGTERM)]
    return ", ".join(f"process {p.pid}, exit code {p.exitcode}" for p in ended) or "killed"


def _translated(inner: Any, lost: type[Exception], name: Any) -> Future[dict[str, Any]]:
    outer: Future[dict[str, Any]] = Future()

    def finish(done: Any) -> None:
        if done.cancelled():
            outer.set_exception(WorkerLost("its run was cancelled"))
            return
        error = done.exception()
        if error is None:
            outer.set_result(done.result())
        else:
            outer.set_exception(WorkerLost(name()) if isinstance(error, lost) else error)

    inner.add_done_callback(finish)
    return outer


def _begin() -> None:
    """Begin a worker process of one thread, which ends with its parent."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


class Cluster:
    """Workers of a Dask scheduler, tcp://HOST:PORT or tls://HOST:PORT with Dask's own settings.

    Raises RunError when it does not answer, has no worker, or a worker has other code or lacks an extra.
    """

    def __init__(self, address: str, extras: tuple[str, ...] = ()) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise MissingExtraError("a Dask scheduler needs distributed: pip install 'ndrite[cluster]'")
        import distributed

        if not address.startswith(("tcp://", "tls://")):
            raise RunError(f"scheduler is {address}; accepted: tcp://HOST:PORT or tls://HOST:PORT")
        self.address, self.extras = address, extras
        dask: Any = distributed
        security = dask.Security() if address.startswith("tls://") else None
        try:
            self._client = dask.Client(address, security=security, timeout=10, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            why = " ".join(str(error).split())[:200]
            raise RunError(f"scheduler {address} does not answer ({why})") from None
        self._sent: dict[str, Any] = {}
        self._check()

    @property
    def count(self) -> int:
        """Threads of all workers."""
        return sum(self._client.nthreads().values()) or 1

    def _check(self) -> None:
        expected = _installed(self.extras)
        workers = self._client.run(_installed, self.extras)
        if not workers:
            raise RunError(f"scheduler {self.address} has no worker; start one: dask worker {self.address}")
        for name, installed in sorted(workers.items()):
            for field, value in expected.items():
                if installed[field] != value:
                    raise RunError(
                        f"worker {name}: {field} is {installed[field]}; accepted: {value}, as here"
                    )

    def submit(self, run: Run) -> Future[dict[str, Any]]:
        contents = {file.sha256: self._content(file) for file in run.files}
        inner = self._client.submit(_perform, run, contents, key=f"ndrite-{run.key}", pure=False)
        outer: Future[dict[str, Any]] = Future()

        def finish(done: Any) -> None:
            if outer.done():
                return
            if done.status == "finished":
                outer.set_result(done.result())
            elif done.status == "error":
                error = done.exception()
                lost = type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CommClosedError")
                outer.set_exception(WorkerLost(str(error)) if lost else error)
            else:
                outer.set_exception(WorkerLost(f"the connection to {self.address}"))
            done.release()

        inner.add_done_callback(finish)
        return outer

    def _content(self, file: File) -> Any:
        if file.sha256 not in self._sent:
            self._sent[file.sha256] = self._client.scatter(file.read(), broadcast=True)
        return self._sent[file.sha256]

    def close(self) -> None:
        """Let go of the scheduler, which goes on."""
        self._client.close(timeout=2)


def _installed(extras: tuple[str, ...]) -> dict[str, str]:
    """Properties that a worker must share with this process: version, code, and packages of extras."""
    return {
        "ndrite": importlib.metadata.version("ndrite"),
        "code": code_digest("ndrite.emulator.golden.core")[:12],
        **{name: "there" if importlib.util.find_spec(name) else "missing" for name in extras},
    }


def _perform(run: Run, contents: dict[str, bytes]) -> dict[str, Any]:
    """On a worker: the run, with files as they were sent, written once per process."""
    folder = Path(tempfile.gettempdir()) / f"ndrite-files-{os.getuid()}"
    local = {}
    for name, value in run.parameters.items():
        if isinstance(value, File):
            path = folder / value.sha256[:24] / Path(value.path).name
            data = contents[value.sha256]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != value.sha256:
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{path.name}.{os.getpid()}")
                part.write_bytes(data)
                part.replace(path)
            value = File(str(path), value.sha256)
        local[name] = value
    return replace(run, parameters=local).perform()


@contextlib.contextmanager
def open_workers(
    count: int = 1, scheduler: str | None = None, extras: tuple[str, ...] = ()
) -> Iterator[Workers]:
    """Open this process (``count`` 1), local processes, or a Dask scheduler's workers for the block."""
    if scheduler is None and count == 1:
        yield Here()
        return
    workers: Workers = Processes(count) if scheduler is None else Cluster(scheduler, extras)
    with contextlib.closing(workers):
        yield workers
