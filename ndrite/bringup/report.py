"""The report of a bring-up: one file to attach to an issue."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ndrite.selftest import Check


@dataclass(frozen=True)
class Report:
    """What was found on a board; ``simulated`` says that no hardware was there."""

    board: str
    simulated: bool
    seed: int
    versions: dict[str, str]
    checks: tuple[tuple[str, Check], ...]

    @property
    def failed(self) -> int:
        """Checks that did not pass, those that were not reached included."""
        return sum(not check.passed for _, check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "board": self.board,
            "simulated": self.simulated,
            "seed": self.seed,
            "failed": self.failed,
            "versions": self.versions,
            "checks": [{"stage": stage, **check.as_dict()} for stage, check in self.checks],
        }


def versions(loader: str | None) -> dict[str, str]:
    """Of ndrite, what it computes with, Python and the machine, and the program that loads bitstreams."""
    from importlib.metadata import version

    found = {name: version(name) for name in ("ndrite", "numpy", "scipy", "amaranth")}
    found |= {"python": platform.python_version(), "system": platform.platform()}
    return found | ({"loader": loader} if loader else {})


def markdown(report: Report) -> str:
    """A table for people and the same as JSON below it."""
    where = f"`{report.board}`, simulated: no hardware was used" if report.simulated else f"`{report.board}`"
    passed = len(report.checks) - report.failed
    lines = [
        f"# Bring-up of {where}",
        "",
        f"{passed} of {len(report.checks)} checks passed; seed {report.seed}.",
        "",
        "| stage | check | result | seen |",
        "| --- | --- | --- | --- |",
        *_rows(report.checks),
        "",
        "```json",
        json.dumps(report.as_dict(), indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def _rows(checks: Sequence[tuple[str, Check]]) -> list[str]:
    return [
        f"| {stage} | {check.name} | {'ok' if check.passed else '**FAIL**'} | {_cell(check.seen)} |"
        for stage, check in checks
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
