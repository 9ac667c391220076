"""Files written whole or not at all: what is kept of what was there, and what
is never replaced."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ndrite.emulator.spec.files import check_destination, whole_file


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def write(path: Path, data: bytes = b"new") -> None:
    with whole_file(path) as file:
        file.write(data)


def half(path: Path, error: type[BaseException]) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise error


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that is there, alone in its folder."""
    (tmp_path / "x").write_bytes(b"old")
    return tmp_path / "x"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_reader_sees_the_old_or_the_new(old: Path) -> None:
    with whole_file(old) as file:
        file.write(b"new")
        file.flush()
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == ["x"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_what_failed(old: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        half(old, error)
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["x"]


@pytest.mark.parametrize("kept", [None, 0o600, 0o664, 0o755])
def test_a_new_file_has_the_users_mode_and_an_old_one_keeps_its_own(
    tmp_path: Path, kept: int | None, umask: int
) -> None:
    path = tmp_path / "x"
    if kept is not None:
        path.write_bytes(b"old")
        path.chmod(kept)
    write(path)
    assert (path.read_bytes(), mode(path)) == (b"new", 0o666 & ~umask if kept is None else kept)


def test_while_it_is_written_nobody_else_reads_what_was_private(old: Path) -> None:
    old.chmod(0o600)
    with whole_file(old):
        assert [mode(other) & 0o077 for other in old.parent.iterdir()] == [0, 0]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    link.symlink_to(Path("folder") / "target")
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["target"]


@pytest.fixture(params=["pipe", "terminal"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """What is no file, a terminal behind a link, and a descriptor that reads what
    is written to it."""
    path = tmp_path / "there"
    if request.param == "pipe":
        os.mkfifo(path)
        ends = [os.open(path, os.O_RDONLY | os.O_NONBLOCK)]
    else:
        ends = [*os.openpty()]
        path.symlink_to(os.ttyname(ends[1]))
    before = path.lstat().st_mode
    yield path, ends[0]
    assert path.lstat().st_mode == before
    for end in ends:
        os.close(end)


def test_what_is_no_file_is_written_through_and_gets_nothing_of_what_failed(opened: tuple[Path, int]) -> None:
    path, reader = opened
    with pytest.raises(RuntimeError):
        half(path, RuntimeError)
    with whole_file(path) as file:
        file.write(b"....")
        file.seek(0)
        file.write(b"new")
    assert os.read(reader, 10) == b"new."


def test_the_users_file_is_named(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "no" / "x", errno.ENOENT), (tmp_path, errno.EISDIR)):
        for refused in (write, check_destination):
            with pytest.raises(OSError, match=os.strerror(code)) as error:
                refused(path)
            assert (error.value.errno, error.value.filename) == (code, str(path))


def test_a_full_disk_names_the_users_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as error, whole_file(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(tmp_path / "x")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device that is always full")
def test_a_full_device_is_named() -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as error:
        write(Path("/dev/full"))
    assert error.value.filename == "/dev/full"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_may_not_be_written_is_not_replaced(old: Path) -> None:
    old.chmod(0o444)
    for refused in (write, check_destination):
        with pytest.raises(PermissionError) as error:
            refused(old)
        assert error.value.filename == str(old)
    assert old.read_bytes() == b"old"


def test_a_destination_is_checked_without_a_trace(old: Path) -> None:
    for path in (old, old.with_name("new"), Path("/dev/null")):
        check_destination(path)
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == ["x"]
