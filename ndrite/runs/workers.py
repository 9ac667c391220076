"""workers: the places where runs are done. Each kind takes a run and returns a future.

Local processes end with the process that started them and leave Ctrl-C to it. A board
is opened by a process of its own. On a Dask cluster every worker gets a file's content
once. ndrite starts no scheduler and opens no port.
"""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, Protocol, TypeVar

from ndrite.host.errors import HostError, InputError, LinkError
from ndrite.runs.run import Row, Run, RunError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from ndrite.host import BoardApi

P = ParamSpec("P")
R = TypeVar("R")
GOLDEN = ("golden:",)
"""The boards of workers that open no board, because their runs use the golden model."""


class WorkerLost(Exception):
    """Error: a worker ended before its run was done; the message says which worker."""


class Workers(Protocol):
    """Interface of a set of workers that perform runs; they are closed after the last run."""

    @property
    def places(self) -> int:
        """Return the number of runs that may be under way at the same time."""

    def submit(self, run: Run) -> Future[Row]:
        """Submit a run and return its future, which raises WorkerLost, or is cancelled,
        if the worker ends first."""

    def close(self) -> None:
        """Release the workers."""


class Here:
    """This process as the only worker, with or without a ``board``. It performs runs
    one by one; ``submit`` returns when the run is done."""

    places = 1

    def __init__(self, board: BoardApi | None = None) -> None:
        self.board = board

    def submit(self, run: Run) -> Future[Row]:
        done: Future[Row] = Future()
        try:
            done.set_result(run.perform(self.board))
        except Exception as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        pass


class Processes:
    """Local worker processes, each of which performs one run at a time; a process that
    dies is restarted.

    With ``boards``, URLs, each process has opened one of them, and is left alone once
    its board has gone away. Raises HostError when a board cannot be opened, RunError
    when the processes cannot start.
    """

    def __init__(self, count: int, boards: Sequence[str] = ()) -> None:
        self._free = [_Process(board) for board in boards or [""] * count]
        self._all, self._last_lost = list(self._free), ""
        self.places = len(self._free)
        try:
            for ready in [process.call(_open, process.board) for process in self._free]:
                ready.result()
        except BrokenProcessPool:
            self.close()
            guard = "a script in a file, its call below: if __name__ == '__main__':"
            raise RunError(f"worker processes ended while starting; accepted: {guard}") from None
        except BaseException:
            self.close()
            raise

    def submit(self, run: Run) -> Future[Row]:
        if not self._free:
            raise LinkError(f"no board is left; the last one failed: {self._last_lost}")
        process, outer = self._free.pop(), Future[Row]()

        def finish(inner: Future[Row]) -> None:
            if inner.cancelled():
                return  # cancelled because the workers were closed
            error = inner.exception()
            if isinstance(error, BrokenProcessPool):
                error = WorkerLost(process.death())
            if isinstance(error, WorkerLost) and process.board:
                self.places, self._last_lost = self.places - 1, str(error)
            elif isinstance(error, WorkerLost):
                self._all.remove(process)
                self._all.append(_Process())
                self._free.append(self._all[-1])
            else:
                self._free.append(process)
            if error is None:
                outer.set_result(inner.result())
            else:
                outer.set_exception(error)

        process.call(_perform, run).add_done_callback(finish)
        return outer

    def close(self) -> None:
        """End the processes, even in the middle of a run."""
        for process in list(self._all):  # a copy: an ending process may be replaced meanwhile
            process.end()


class _Process:
    """A local worker process, and the URL of the board that it opens (empty
    without a board)."""

    def __init__(self, board: str = "") -> None:
        self.board = board
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _begin)
        self._children: list[BaseProcess] = []

    def call(self, function: Callable[P, R], *parameters: P.args, **named: P.kwargs) -> Future[R]:
        """Begin a call of ``function`` in the process, which is started by the first call."""
        # The process inherits the blocked signal, so that Ctrl-C reaches only its parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            future = self._pool.submit(function, *parameters, **named)
            self._children = list((self._pool._processes or {}).values())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return future

    def death(self) -> str:
        """Describe a process that has ended by itself, for an error: its board, process
        number and exit code."""
        (child,) = self._children
        child.join(1)
        whose = f"board {self.board}" if self.board else "a local process"
        return f"{whose} (process {child.pid}, exit code {child.exitcode})"

    def end(self) -> None:
        # The children are ended before the pool notices: a child that the pool itself
        # ends would leave its board open.
        for child in self._children:
            child.terminate()
            child.join()
        # Not without waiting: Python, as it exits, would meet the pool's thread closing its pipe.
        self._pool.shutdown(cancel_futures=True)


class _Opened(NamedTuple):
    """The board that a worker process has opened, and its URL."""

    board: BoardApi
    url: str


_opened: _Opened | None = None
"""Set in a worker process that has a board."""


def _begin() -> None:
    """Set up a worker process: it computes with one thread, and ends when its parent ends."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of libraries loaded later, such as PyTorch's
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _connect(url: str) -> BoardApi:
    """Open a board. ``ndrite.url`` is imported through a name in a string, so that the
    code of boards is not part of the digest that decides whether stored results are
    stale: results are equal on every board."""
    board: BoardApi = pkgutil.resolve_name("ndrite.url:connect")(url)
    return board


def _open(url: str) -> None:
    """Open this worker process's board, if it has one, and close the board when the
    process is told to end."""
    if not url:
        return
    global _opened
    try:
        _opened = opened = _Opened(_connect(url), url)
    except HostError as error:
        # Other host errors may take several constructor arguments, so they could not be
        # re-created in the parent process.
        raise (InputError if isinstance(error, InputError) else LinkError)(f"{url}: {error}") from None

    def leave(*signal_and_frame: object) -> None:
        with contextlib.suppress(HostError):
            opened.board.close()
        os._exit(1)

    signal.signal(signal.SIGTERM, leave)


def _perform(run: Run) -> Row:
    """Perform a run in this worker process, on its board if it has one."""
    try:
        return run.perform(None if _opened is None else _opened.board)
    except InputError:
        raise
    except HostError as error:
        if _opened is None:  # a user's metric, or the golden model
            raise RunError(f"{type(error).__name__}: {error}") from None
        raise WorkerLost(f"board {_opened.url} ({error})") from None


@dataclass(frozen=True)
class Crew:
    """Where a caller wants runs to be done: in ``count`` local processes, on the
    workers of a Dask ``scheduler``, or on ``boards``, as for ``open_workers``;
    ``announce`` is called with lines about them."""

    count: int = 1
    scheduler: str | None = None
    boards: Sequence[str] = GOLDEN
    announce: Callable[[str], None] = lambda line: None

    def open(self, *needs: str) -> contextlib.AbstractContextManager[Workers]:
        """Provide the workers during a ``with`` block; ``needs`` are the modules
        that the runs import."""
        return open_workers(self.count, self.scheduler, boards=self.boards, needs=needs)


@contextlib.contextmanager
def open_workers(
    count: int = 1,
    scheduler: str | None = None,
    *,
    boards: Sequence[str] = GOLDEN,
    needs: Sequence[str] = (),
) -> Iterator[Workers]:
    """Provide workers during the ``with`` block: this process (``count`` 1),
    several local processes, one process for each of several boards, or the workers
    of a Dask scheduler.

    ``needs``: modules that the runs import: of ours the same code, of other packages
    any version. Raises RunError where boards and other workers are asked for at once.
    """
    if tuple(boards) != GOLDEN and (count > 1 or scheduler is not None):
        option = "workers" if scheduler is None else "scheduler"
        raise RunError(
            f"{option} is given with board {boards[0]}; accepted: one of them; several boards share the runs"
        )
    workers: Workers
    if scheduler is not None:
        from ndrite.runs.cluster import Cluster

        workers = Cluster(scheduler, needs)
    elif len(boards) > 1:
        workers = Processes(0, boards)
    elif tuple(boards) != GOLDEN:
        with _connect(boards[0]) as board:
            yield Here(board)
        return
    else:
        workers = Here() if count == 1 else Processes(count)
    with contextlib.closing(workers):
        yield workers
