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
UNBUILT = ("ImportError", "ModuleNotFoundError", "NameError", "AttributeError", "TypeError", "SyntaxError")
UNBUILT += ("RuntimeError", "SimulationBuildError", "BenchError")
"""Errors of a design, a bench or a tool that was not built; faults of the list change
what is computed."""


@dataclass(frozen=True)
class Fault:
    """``what`` it does; in ``file`` the text ``old``, which stands there once, becomes
    ``new``. ``tests`` are pytest's arguments."""

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


@dataclass(frozen=True)
class Outcome:
    """The first red test of a run, or ``error``: why it compared nothing; both ""
    where tests are green."""

    red: str = ""
    error: str = ""


def tried(start: str) -> int:
    """Try the faults of files that begin with ``start`` and print the test that found each.

    Gives 1 where a fault was not found, its tests are red without it too, or nothing
    builds or imports with it: a bench that does not run has compared nothing.
    """
    chosen = [fault for fault in faults() if fault.file.startswith(start)]
    sound: dict[tuple[str, ...], Outcome] = {}
    count = 0
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        copy_tree(copy)
        for fault in chosen:
            if fault.tests not in sound:
                sound[fault.tests] = _run(copy, fault.tests)
            without = sound[fault.tests]
            if without.red or without.error:
                outcome = Outcome(error=f"red without the fault: {without.red or without.error}")
            else:
                outcome = with_fault(copy, fault)
            count += bool(outcome.red)
            words = outcome.red or (f"ERROR, {outcome.error}" if outcome.error else "LIVES")
            print(f"{fault.file}: {fault.what}: {words}", flush=True)
    print(f"{len(chosen)} faults: {count} found, {len(chosen) - count} not found")
    return int(count < len(chosen))


def copy_tree(folder: Path) -> None:
    """The tracked files, as they are now, into ``folder``."""
    listed = subprocess.run(["git", "ls-files"], cwd=TREE, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        source = TREE / name
        if source.is_file() or source.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)


def with_fault(copy: Path, fault: Fault) -> Outcome:
    file = copy / fault.file
    sound = file.read_text()
    if sound.count(fault.old) != 1:
        return Outcome(error=f"{fault.old!r} stands {sound.count(fault.old)} times; accepted: 1")
    file.write_text(sound.replace(fault.old, fault.new))
    try:
        return _run(copy, fault.tests)
    finally:
        file.write_text(sound)


def _run(copy: Path, tests: tuple[str, ...]) -> Outcome:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", *tests]
    # A narrow terminal would cut the error's type off the summary.
    settings = {"NDRITE_HDL": "1", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "1000"}
    env = os.environ | settings | {"PYTHONPATH": str(copy)}
    output_to = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=copy, env=env, start_new_session=True, **output_to)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Outcome(red=f"{tests[0]} (did not end in {TIMEOUT_S} s)")
    if process.returncode == 0:
        return Outcome()
    summary = re.search(r"^FAILED (.+?)(?: - (.*))?$", output, re.MULTILINE)  # ids may have spaces
    if process.returncode != 1 or summary is None:
        return Outcome(error=f"pytest's exit code {process.returncode}: {output.strip().splitlines()[-1]}")
    if re.match(rf"(\w+\.)*({'|'.join(UNBUILT)})\b", summary[2] or ""):
        return Outcome(error=f"{summary[1]}: {summary[2]}")
    return Outcome(red=summary[1])
