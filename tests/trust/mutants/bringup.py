"""What a bring-up says of a board."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

BRINGUP = ("tests/ndrite/test_bringup.py",)

MUTANTS = (
    Mutant(
        "ndrite/bringup/checks.py",
        "same = board.build_id == build_id",
        "same = board.build_id == board.build_id",
        "any build id will do",
        BRINGUP,
    ),
    Mutant(
        "ndrite/bringup/checks.py",
        "        if count > before[name]:",
        "        if count < before[name]:",
        "what the host had to repeat is no fault",
        BRINGUP,
    ),
    Mutant(
        "ndrite/bringup/checks.py",
        "return max(float(off.max()), float(spread.max()))",
        "return float(off.max())",
        "noise is judged by its mean alone",
        BRINGUP,
    ),
    Mutant(
        "ndrite/bringup/run.py",
        "for later in STAGES[STAGES.index(stage) + 1 :]:",
        "for later in STAGES[STAGES.index(stage) + 2 :]:",
        "a stage that is not reached is left out",
        BRINGUP,
    ),
)
