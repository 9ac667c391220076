"""Puts each mutant into a copy of the tree, runs its tests and says which one found it.

    python -m tests.trust.mutants.run [--only TEXT] [--missing] [--results docs/mutants.json]

With ``--results`` the outcomes and their dates are kept in that file, and a table of them beside it (.md);
``--only`` then renews some of the rows. The table says how many of the list were never run.

Exit status 1 when a mutant lives that is not argued equivalent.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.trust.mutants.catalogue import MUTANTS
from tests.trust.mutants.mutant import Mutant

TREE = Path(__file__).parents[3]
TIMEOUT_S = 1500
EQUIVALENT = "equivalent: "


@dataclass(frozen=True)
class Outcome:
    """How one mutant fared: ``killer`` the test that found it, "" when none did."""

    mutant: Mutant
    killer: str
    seconds: float = 0.0
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))

    @property
    def verdict(self) -> str:
        """For the table."""
        if self.killer:
            return f"`{self.killer}`"
        return "argued equivalent" if self.mutant.fault.startswith(EQUIVALENT) else "**LIVES**"

    @property
    def lives(self) -> bool:
        """Whether a test is missing."""
        return not self.killer and not self.mutant.fault.startswith(EQUIVALENT)


def key(mutant: Mutant) -> str:
    """What the results file calls it."""
    return f"{mutant.file}: {mutant.fault}"


def keep(results: Path, outcomes: list[Outcome]) -> None:
    """Put outcomes into the results file, and write the table of all of them beside it."""
    kept: dict[str, dict[str, str]] = json.loads(results.read_text()) if results.exists() else {}
    kept |= {key(o.mutant): {"found_by": o.killer, "date": o.date} for o in outcomes}
    kept = {key(m): kept[key(m)] for m in MUTANTS if key(m) in kept}
    results.write_text(json.dumps(kept, indent=1) + "\n")
    known = [Outcome(m, k["found_by"], date=k["date"]) for m in MUTANTS if (k := kept.get(key(m)))]
    lines = [HEAD + table(known)]
    if len(known) < len(MUTANTS):
        lines.append(f"{len(MUTANTS) - len(known)} more of the list have no row: not run for this table yet.")
    results.with_suffix(".md").write_text("\n".join(lines) + "\n")


def copy_tree(folder: Path) -> None:
    """The tracked files into ``folder``."""
    listed = subprocess.run(["git", "ls-files"], cwd=TREE, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        source = TREE / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)


def run_tests(folder: Path, tests: tuple[str, ...]) -> tuple[bool, str]:
    """Whether they passed, and the first that did not."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", *tests]
    env = os.environ | {"NDRITE_HDL": "1", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False, f"{tests[0]} (did not end in {TIMEOUT_S} s)"
    if process.returncode == 0:
        return True, ""
    if process.returncode == 5:
        sys.exit(f"no test was collected by {tests}")
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return False, found[1] if found else output.strip().splitlines()[-1]


def try_mutant(folder: Path, mutant: Mutant) -> Outcome:
    file = folder / mutant.file
    sound = file.read_text()
    if sound.count(mutant.old) != 1:
        sys.exit(f"{mutant.file}: {mutant.old!r} stands {sound.count(mutant.old)} times; accepted: 1")
    start = time.monotonic()
    file.write_text(sound.replace(mutant.old, mutant.new))
    try:
        _, killer = run_tests(folder, mutant.tests)
    finally:
        file.write_text(sound)
    return Outcome(mutant, killer, time.monotonic() - start)


def table(outcomes: list[Outcome]) -> str:
    """Markdown table of all outcomes."""
    lines = ["| fault | where | found by | run |", "| --- | --- | --- | --- |"]
    for o in outcomes:
        lines.append(f"| {o.mutant.fault} | `{o.mutant.file}` | {o.verdict} | {o.date} |")
    killed = sum(bool(o.killer) for o in outcomes)
    equivalent = sum(not o.killer and not o.lives for o in outcomes)
    lives = sum(o.lives for o in outcomes)
    return "\n".join(
        [
            *lines,
            "",
            f"{len(outcomes)} mutants: {killed} found, {equivalent} argued equivalent, {lives} living.",
        ]
    )


HEAD = """# Mutants

Single-line faults put into the gateware, the golden model, the compile path, the physics and the packets, one
at a time, and the first test that went red for each, with the day it was run. Made by `make mutants`; the
list is in `tests/trust/mutants`.

"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="mutants whose file or fault contains this")
    parser.add_argument("--results", type=Path, help="JSON file to keep the outcomes in, table beside it")
    parser.add_argument("--missing", action="store_true", help="mutants that have no row in --results yet")
    options = parser.parse_args()
    known = set(json.loads(options.results.read_text())) if options.missing and options.results else set()
    chosen = [
        m
        for m in MUTANTS
        if (options.only in m.file or options.only in m.fault) and f"{m.file}: {m.fault}" not in known
    ]
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder)
        for mutant in chosen:
            outcome = try_mutant(folder, mutant)
            outcomes.append(outcome)
            if options.results:
                keep(options.results, [outcome])
            print(f"{outcome.seconds:5.0f} s  {mutant.file}: {mutant.fault}: {outcome.verdict}", flush=True)
    print(table(outcomes).splitlines()[-1])
    if any(o.lives for o in outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
