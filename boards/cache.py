"""The user's cache of files that take long to make, named by the digest of their inputs
and stored only when complete."""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from platformdirs import user_cache_path

from ndrite.emulator.spec.files import whole_file

try:
    import fcntl
except ImportError:  # Windows has no fcntl; nothing is compiled there
    fcntl = None  # type: ignore[assignment]

SUM, LOCK = ".sha256", ".lock"
WORK = "build-"
"""Prefix of the names of folders of unfinished cache entries; the rest of the name is
that of the entry, as in its lock file."""


def folder(name: str) -> Path:
    """Return a folder of the user's cache ($XDG_CACHE_HOME/ndrite/NAME on Linux),
    creating it if necessary."""
    path = user_cache_path("ndrite") / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(data: bytes) -> str:
    """Return 32 hexadecimal digits, derived from ``data``, that serve as the name
    of a cache entry."""
    return hashlib.sha256(data).hexdigest()[:32]


def seal(finished: Path, path: Path) -> None:
    """Move the file ``finished`` to ``path``, which must be on the same file system,
    and write a file with its checksum beside it."""
    with whole_file(path.with_name(path.name + SUM)) as file:
        file.write(_sum(finished))
    # If the process is killed between the two moves, the checksum does not match the
    # old file, and the cache entry counts as missing.
    os.replace(finished, path)


def is_whole(path: Path) -> bool:
    """Return whether the file ``path`` exists and matches its checksum. (Loading a
    truncated library would end the process.)"""
    try:
        return path.with_name(path.name + SUM).read_bytes() == _sum(path)
    except OSError:
        return False


def _sum(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().encode()


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock on the file ``path`` during the block; the file is created if
    necessary. Raises BlockingIOError if another process holds the lock and
    ``wait`` is False."""
    while True:
        with path.open("w", encoding="utf-8") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(file, path):
                yield
                return


def _is(file: IO[str], path: Path) -> bool:
    """Return whether the open ``file`` is still the file at ``path``; another process
    may have deleted the lock file together with its cache entry."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def workshop(root: Path, entry: str) -> Iterator[Path]:
    """Yield an empty folder in ``root`` in which to make the cache entry ``entry``. The
    caller holds the lock file ENTRY.lock.

    Beside its destination, so that a rename puts the result there whole. Leftovers of
    killed processes, of any entry, are removed.
    """
    for left in root.glob(f"{WORK}*"):
        name = left.name.removeprefix(WORK)
        with contextlib.suppress(BlockingIOError):
            if name == entry:
                shutil.rmtree(left, ignore_errors=True)
                continue
            lock = root / f"{name}{LOCK}"
            with locked(lock, wait=False):
                shutil.rmtree(left, ignore_errors=True)
                lock.unlink()
    work = root / f"{WORK}{entry}"
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def used(path: Path) -> None:
    """Mark a cache entry as recently used."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)


def prune(root: Path, pattern: str, keep: int, newest: Path) -> None:
    """Delete all but the ``keep`` most recently used cache entries. The entry
    ``newest`` and entries that are being made are never deleted."""
    now = time.time()
    times: dict[Path, float] = {}
    for path in root.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            times[path] = path.stat().st_mtime
            if times[path] > now:
                # A wrong clock has stamped this entry in the future: stamp it now, so
                # that it ages like any other entry.
                os.utime(path, (now, now))
                times[path] = now
    times.pop(newest, None)
    for old in sorted(times, key=times.__getitem__, reverse=True)[keep - 1 :]:
        lock = old.with_name(f"{old.name.split('.')[0]}{LOCK}")
        with contextlib.suppress(BlockingIOError), locked(lock, wait=False):
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.with_name(old.name + SUM).unlink(missing_ok=True)
                old.unlink(missing_ok=True)  # a process that has loaded the file keeps its copy
            lock.unlink(missing_ok=True)
