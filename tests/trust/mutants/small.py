"""Faults in the designs for small parts, and in the noise of slices added at once."""

from __future__ import annotations

from tests.trust.mutants.mutant import BLOCKS, CORE, Mutant

ENGINE = "hdl/small/engine.py"
LANES = "hdl/small/lanes.py"
SMALL = (CORE, "-k", "small_core_equals_golden and two-lanes and compact")
COMPACT = (CORE, "-k", "without_registers and tiny")
SLICES = (BLOCKS, "-k", "noise_of_slices")

MUTANTS = (
    Mutant(ENGINE, "self.dropped.eq(work[0])", "self.dropped.eq(0)", "small core rounds down", SMALL),
    Mutant(ENGINE, "work[STRIDE - 1]", "work[0]", "rounds by a bit too low", SMALL),
    Mutant(ENGINE, "near > top", "near >= top", "equivalent: the largest code becomes itself", SMALL),
    Mutant(ENGINE, "with m.If(~settings.first):", "with m.If(1):", "old partial sums added in", SMALL),
    Mutant(
        ENGINE,
        "factor & term[-1].replicate(FACTOR_BITS)",
        "factor & Const(0, FACTOR_BITS)",
        "negative values multiply as positive ones",
        SMALL,
    ),
    Mutant(LANES, "m.d.sync += total.eq(0)", "pass", "sums run on from pass to pass", SMALL),
    Mutant(
        LANES,
        "feed.from_input | ~feed.layer_first | free",
        "1",
        "a layer starts before its activations are there",
        SMALL,
    ),
    Mutant(
        "hdl/control/sequencer.py",
        "late != layer",
        "late == layer",
        "the descriptor of another layer",
        COMPACT,
    ),
    Mutant(
        "hdl/array/array.py",
        "cycles(platform, KEPT, 0, flag_stage(geometry)) + CAPTURE_STAGES",
        "cycles(platform, KEPT, 0, flag_stage(geometry)) + CAPTURE_STAGES + 6",
        "column registers given free too early",
        (CORE, "-k", "equals_golden"),
    ),
    Mutant(
        "hdl/noise/slice_schedule.py",
        "with m.If(self.passes.ready):",
        "with m.If(sigmas.ready):",
        "a sigma too many where passes come slowly",
        SLICES,
    ),
    Mutant(
        "hdl/noise/slice_schedule.py",
        "with m.If(turns.valid & turns.ready):",
        "with m.If(turns.valid):",
        "keys change under a tile's samples",
        SLICES,
    ),
)
