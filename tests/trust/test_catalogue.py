"""The list of mutants stays one: what each replaces stands once in its file, and its tests exist."""

from __future__ import annotations

from pathlib import Path

from tests.trust.mutants.catalogue import MUTANTS

TREE = Path(__file__).parents[2]


def test_what_a_mutant_replaces_stands_once() -> None:
    for mutant in MUTANTS:
        times = (TREE / mutant.file).read_text().count(mutant.old)
        assert times == 1, f"{mutant.file}: {mutant.old!r} stands {times} times"
        assert mutant.new != mutant.old


def test_what_is_to_find_a_mutant_exists() -> None:
    for mutant in MUTANTS:
        assert (TREE / mutant.tests[0].partition("::")[0]).exists(), mutant.tests


def test_no_two_mutants_have_the_same_name() -> None:
    names = [(mutant.file, mutant.fault) for mutant in MUTANTS]
    assert len(set(names)) == len(names)
