"""Atomic writing of files: a file is written completely or not at all."""

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Error codes of a failed write for which the system names no file."""


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Return a context manager with a binary file that becomes ``path`` when the block
    ends, or is deleted if the block raises.

    Written beside ``path`` under another name, then renamed: a reader sees the old
    content or the new. A symbolic link stays, and what it points to is written; a file
    keeps its owner and mode, a new one has those of any file the user makes. Devices
    and pipes are written to when the block ends. Raises OSError as
    ``check_destination``, and when the disk is full; ``filename`` is ``path``.
    """
    existing = check_destination(path)
    if existing is not None and not stat.S_ISREG(existing.st_mode):
        buffer = io.BytesIO()
        yield buffer
        try:
            with path.open("wb") as through:
                through.write(buffer.getvalue())
        except OSError as error:
            raise _full(error, path) from None
        return
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    # While it is written, a file that will replace another is readable by its
    # owner only, whatever the mode of the replaced file; at the end it gets that
    # file's owner and mode.
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666 if existing is None else 0o600)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        if existing is not None:
            with contextlib.suppress(PermissionError, AttributeError):  # Windows has no os.chown
                os.chown(partial, existing.st_uid, existing.st_gid)
            os.chmod(partial, stat.S_IMODE(existing.st_mode))
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _full(error, path) from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file completely or not at all; return its path."""
    with whole_file(Path(path)) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


def check_destination(path: Path) -> os.stat_result | None:
    """Return the status of the file at ``path``, following links, or None if there is
    none. Changes nothing on disk. Raises OSError, with ``path`` as its ``filename``,
    when ``whole_file`` could not write there."""
    try:
        status: os.stat_result | None = path.stat()
    except FileNotFoundError:
        status = None
    folder = Path(os.path.realpath(path)).parent
    if status is None or stat.S_ISREG(status.st_mode):
        if not folder.is_dir():
            raise _named(errno.ENOTDIR if folder.exists() else errno.ENOENT, path)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _named(errno.EACCES, path)
    elif stat.S_ISDIR(status.st_mode):
        raise _named(errno.EISDIR, path)
    if status is not None and not os.access(path, os.W_OK):
        raise _named(errno.EACCES, path)
    return status


def _full(error: OSError, path: Path) -> OSError:
    """Return the error of a full disk with the name of the user's file added; return
    any other error unchanged."""
    full = error.errno in FULL and error.filename is None
    return _named(error.errno, path) if full and error.errno is not None else error


def _named(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))
