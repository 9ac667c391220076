"""A sample of small changes against the tests: `make mutants SAMPLE=400 SEED=1`.

``packages.yaml`` names the files that are changed and the tests of each. Every change
is made in a copy of the tree and tried against its package's tests, 60 s at most; what
these let live is then tried against the suite in batches. Results lie in
``build/mutants``: a stopped run goes on where it was, unless the tree has changed. A
change is found by a test that runs and is red. Where no test is red and not all could
be imported, the change is counted by itself, as neither found nor living.
``equivalent.yaml`` names changes that no test can find, each with the reason.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from tests.trust.changes import Change, changes_of
from tests.trust.fault import TREE, copy_tree

FOLDER = Path(__file__).parent
LIMIT_S = 60.0
QUICK_S = 20.0
"""A timeout says something where the tests take less without the change."""
SUITE_S = 1800.0
BATCH = 12
BROKEN = "does not import: "
"""Begins the result of a change under which no test was red and not all could be collected."""
SUITE = ("-m", "not long", "--dist", "worksteal", "-n")
"""As `make test` has it; the number of workers follows."""
PACKAGES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "packages.yaml").read_text())


def drawn(count: int, seed: int, only: str) -> list[tuple[str, Change]]:
    """The changes, each with its package."""
    every = []
    for package, table in PACKAGES.items():
        if only in ("", package):
            for pattern in table.get("files", [f"{package}/*.py"]):
                for file in sorted(TREE.glob(pattern)):
                    every += [(package, c) for c in changes_of(TREE, str(file.relative_to(TREE)))]
    if not every:
        sys.exit(f"PACKAGE is {only}; accepted: {', '.join(PACKAGES)}")
    return random.Random(seed).sample(every, min(count, len(every)))


def digest() -> str:
    """Of all tracked Python files as they are."""
    listed = subprocess.run(["git", "ls-files", "*.py", "*.yaml"], cwd=TREE, capture_output=True, check=True)
    names = [name for name in listed.stdout.decode().splitlines() if (TREE / name).is_file()]
    return hashlib.sha256(b"".join((TREE / name).read_bytes() for name in names)).hexdigest()[:8]


class Results:
    """What has been tried, a line each: the change, the stage (tests or suite), the
    test that found it.

    Instead of a test: "" where none did, and ``BROKEN`` with what did not import.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = path, Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        self.red = {(line["stage"], line["change"]): line["red"] for line in map(json.loads, lines)}

    def add(self, stage: str, change: Change, red: str, seconds: float = 0.0) -> None:
        with self.lock, self.path.open("a") as file:
            self.red[stage, key(change)] = red
            line = {"stage": stage, "change": key(change), "red": red, "seconds": seconds, "is": str(change)}
            file.write(json.dumps(line) + "\n")

    def living(self, stage: str, changes: list[Change]) -> list[Change]:
        return [change for change in changes if not self.red.get((stage, key(change)), "-")]

    def missing(self, stage: str, changes: list[Change]) -> list[Change]:
        return [change for change in changes if (stage, key(change)) not in self.red]


def key(change: Change) -> str:
    return f"{change.file}:{change.start}:{change.stop}:{change.new}"


@contextmanager
def made(copy: Path, changes: list[Change]) -> Iterator[None]:
    """The copy with the changes; later ones of a file first, so that places stay."""
    kept: dict[Path, tuple[bytes, os.stat_result]] = {}
    try:
        for change in sorted(changes, key=lambda c: -c.start):
            file = copy / change.file
            kept.setdefault(file, (file.read_bytes(), file.stat()))
            file.write_bytes(change.made(file.read_bytes()))
        yield
    finally:
        for file, (content, stat) in kept.items():
            file.write_bytes(content)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # compiled bytecode is of this time


class Warm:
    """A process that runs a package's tests in forks, in a copy of the tree."""

    def __init__(self, copy: Path, package: str) -> None:
        table = PACKAGES[package]
        self.copy, self.tests = copy, ["-m", "not slow and not long", *table["tests"]]
        env = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"} | table.get("env", {})
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-P", str(copy / "tests/trust/warm.py")]
        self.process = subprocess.Popen(command, cwd=copy, env=env, **pipes)
        self.run(900.0, bytecode=True)
        sound = self.run(900.0, bytecode=True)
        if sound["red"] or sound["broken"] or sound.get("timeout"):
            reason = sound["red"] or sound["broken"] or f"no end after {sound['seconds']:.0f} s"
            sys.exit(f"the tests of {package} are red without a change: {reason}")
        self.quick = sound["seconds"] < QUICK_S
        print(f"{package}: the tests take {sound['seconds']:.1f} s", flush=True)

    def run(self, limit: float, *, bytecode: bool = False, tests: list[str] | None = None) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        job = {"arguments": tests or self.tests, "limit": limit, "bytecode": bytecode}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.communicate()


def try_package(package: str, changes: list[Change], copies: list[Path], results: Results) -> None:
    """Each change against the tests of its package."""
    queue = results.missing("tests", changes)[::-1]

    def work(copy: Path) -> None:
        warm = Warm(copy, package)
        while True:
            try:
                change = queue.pop()
            except IndexError:
                break
            with made(copy, [change]):
                answer = warm.run(LIMIT_S)
            red = "timeout" if answer.get("timeout") and warm.quick else answer["red"]
            if answer["broken"] and not red:
                red = BROKEN + answer["broken"]
            results.add("tests", change, red, answer["seconds"])
            print(f"{red[:60] or 'LIVES':60} {change}", flush=True)
        warm.close()

    if queue:
        with ThreadPoolExecutor(len(copies)) as threads:
            list(threads.map(work, copies))


def suite_red(copy: Path, tests: list[str]) -> list[str]:
    """The first red tests of the suite, or of some tests, at most five.

    Else ["timeout"] when it does not end, or what does not import, after ``BROKEN``.
    """
    env = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--maxfail=5", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=SUITE_S)
    except subprocess.TimeoutExpired:
        return ["timeout"]
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    # An id may have spaces; " - " and the error follow it.
    named = [rest.partition(" - ")[0] for word, _, rest in lines if word in ("FAILED", "ERROR")]
    red = [test for test in named if "::" in test]
    broken = [BROKEN + file for file in named if "::" not in file]
    return red[:5] or broken or ([f"{BROKEN}pytest's exit code {done.returncode}"] if done.returncode else [])


def try_suite(batch: list[Change], copy: Path, results: Results, workers: int) -> None:
    """All at once; a red test names those that it finds alone, and the
    others are tried again."""
    if not batch:
        return
    with made(copy, batch):
        red = suite_red(copy, [*SUITE, str(workers), "tests"])
    if not red or len(batch) == 1:
        for change in batch:
            results.add("suite", change, red[0] if red else "")
        return
    named = [test for test in red if "::" in test and not test.startswith(BROKEN)]
    others = []
    for change in batch:
        with made(copy, [change]):
            alone = suite_red(copy, named) if named else []
        if alone:
            results.add("suite", change, alone[0])
        else:
            others.append(change)
    half = len(others) if len(others) < len(batch) else len(others) // 2
    for part in (others[:half], others[half:]):
        try_suite(part, copy, results, workers)


def report(sample: list[tuple[str, Change]], results: Results) -> int:
    """Print what was found by package and what lives; the number of these."""
    named = yaml.safe_load((FOLDER / "equivalent.yaml").read_text()) or []
    equivalent = {(entry["file"], entry["line"], entry["change"]) for entry in named}
    counts: dict[str, Counter[str]] = {}
    living, broken = [], []
    for package, change in sample:
        red = results.red.get(("tests", key(change))) or results.red.get(("suite", key(change)))
        if red and red.startswith(BROKEN):
            fate = "not imported"
            broken.append(str(change))
        elif red:
            fate = "found"
        elif (change.file, change.text, change.what) in equivalent:
            fate = "equivalent"
        else:
            fate = "living"
            living.append(str(change))
        counts.setdefault(package, Counter())[fate] += 1
    fates = ("found", "equivalent", "living", "not imported")
    print(f"{'package':28}{'changes':>9}" + "".join(f"{fate:>14}" for fate in fates))
    for package, count in [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]:
        cells = "".join(f"{count[fate]:14}" for fate in fates)
        tried = max(count.total() - count["not imported"], 1)
        print(f"{package:28}{count.total():9}{cells}  {100 * count['found'] / tried:.1f} % found")
    print("\n".join(["not imported:", *sorted(broken), "living:", *sorted(living)]))
    return len(living)


def sampled(count: int, seed: int, only: str = "", *, workers: int = 2, suite: bool = True) -> int:
    """Try a sample and print the result; 1 where a change lives."""
    sample = drawn(count, seed, only)
    name = f"{seed}-{count}-{only.replace('/', '.') or 'all'}-{digest()}.jsonl"
    results = Results(TREE / "build/mutants" / name)
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, str(i)) for i in range(workers)]
        for copy in copies:
            copy.mkdir()
            copy_tree(copy)
        for package in PACKAGES:
            try_package(package, [c for name, c in sample if name == package], copies, results)
        changes = [change for _, change in sample]
        living = results.missing("suite", results.living("tests", changes)) if suite else []
        for start in range(0, len(living), BATCH):
            try_suite(living[start : start + BATCH], copies[0], results, workers)
    return int(report(sample, results) > 0)
