"""All mutants: where each fault goes, what it is, and the tests that should find it."""

from __future__ import annotations

from tests.trust.mutants import (
    bases,
    boards,
    bringup,
    control,
    converters,
    cost,
    curves,
    datapath,
    ethernet,
    face,
    golden,
    host,
    link,
    mapping,
    overlap,
    pcie,
    physics,
    replicate,
    segments,
    small,
    spec,
    tiles,
    tuning,
    walk,
)

MUTANTS = (
    golden.MUTANTS
    + mapping.MUTANTS
    + converters.MUTANTS
    + curves.MUTANTS
    + physics.MUTANTS
    + tuning.MUTANTS
    + cost.MUTANTS
    + spec.MUTANTS
    + boards.MUTANTS
    + bringup.MUTANTS
    + host.MUTANTS
    + ethernet.MUTANTS
    + link.MUTANTS
    + datapath.MUTANTS
    + control.MUTANTS
    + pcie.MUTANTS
    + small.MUTANTS
    + overlap.MUTANTS
    + tiles.MUTANTS
    + bases.MUTANTS
    + walk.MUTANTS
    + replicate.MUTANTS
    + face.MUTANTS
    + segments.MUTANTS
)
