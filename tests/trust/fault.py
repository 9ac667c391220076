"""A fault is put into a copy of the tree, and its tests are run there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

TREE = Path(__file__).parents[2]
TIMEOUT_S = 1500


@dataclass(frozen=True)
class Fault:
    """``what`` it does; in ``file`` the text ``old``, which stands there once, becomes ``new``. ``tests`` are
    pytest's arguments."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def faults() -> list[Fault]:
    """Those of ``faults.yaml``."""
    known = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text())
    return [Fault(**fault | {"tests": _tests(fault["tests"])}) for fault in known]


def _tests(named: list[str]) -> tuple[str, ...]:
    """As they are, or the bench of the one RTL block that is named."""
    if len(named) == 1 and "/" not in named[0]:
        return ("tests/hdl/test_blocks.py", "-k", f"test_block_equals_golden and {named[0]}")
    return tuple(named)


def tried(start: str) -> int:
    """Try the faults of files that begin with ``start`` and print the test that found each; 1 where one was
    not found."""
    chosen = [fault for fault in faults() if fault.file.startswith(start)]
    living = 0
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        copy_tree(copy)
        for fault in chosen:
            killer = _killer(copy, fault)
            living += not killer
            print(f"{fault.file}: {fault.what}: {killer or 'LIVES'}", flush=True)
    print(f"{len(chosen)} faults: {len(chosen) - living} found, {living} not found")
    return int(living > 0)


def copy_tree(folder: Path) -> None:
    """The tracked files, as they are now, into ``folder``."""
    listed = subprocess.run(["git", "ls-files"], cwd=TREE, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        source = TREE / name
        if source.is_file() or source.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)


def _killer(copy: Path, fault: Fault) -> str:
    """The first test that finds a fault, "" where none does."""
    file = copy / fault.file
    sound = file.read_text()
    if sound.count(fault.old) != 1:
        sys.exit(f"{fault.file}: {fault.old!r} stands {sound.count(fault.old)} times; accepted: 1")
    file.write_text(sound.replace(fault.old, fault.new))
    try:
        return _first_red(copy, fault.tests)
    finally:
        file.write_text(sound)


def _first_red(copy: Path, tests: tuple[str, ...]) -> str:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", *tests]
    env = os.environ | {"NDRITE_HDL": "1", "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    output_to = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=copy, env=env, start_new_session=True, **output_to)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"{tests[0]} (did not end in {TIMEOUT_S} s)"
    if process.returncode == 0:
        return ""
    if process.returncode == 5:
        sys.exit(f"no test was collected by {tests}")
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return found[1] if found else output.strip().splitlines()[-1]
