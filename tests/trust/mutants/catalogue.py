"""All mutants: where each fault goes, what it is, and the tests that should find it."""

from __future__ import annotations

from tests.trust.mutants import boards, control, datapath, golden, host, overlap, pcie, small, spec

MUTANTS = (
    golden.MUTANTS
    + spec.MUTANTS
    + boards.MUTANTS
    + host.MUTANTS
    + datapath.MUTANTS
    + control.MUTANTS
    + pcie.MUTANTS
    + small.MUTANTS
    + overlap.MUTANTS
)
