"""Sequencer: every network of a small geometry is through within a bound, whatever the array's pauses."""

import types

import pytest
from amaranth import Signal

from emulator.spec import Geometry
from emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401

pytestmark = pytest.mark.long

LANES, INPUTS, OUTPUTS, LAYERS = 1, 2, 2, 1
GEOMETRY = Geometry(
    name="proof",
    lanes=LANES,
    readouts=1,
    layers=LAYERS,
    weight_depth=64,
    max_inputs=16,
    max_outputs=16,
    noise=False,
)
PASSES = LAYERS * (OUTPUTS // LANES) * INPUTS * 2
"""At most: every column group, tiles of one row, two slices of four bits."""
OPENING = 4 * LAYERS
"""Cycles in which the descriptors are written: two words each, whose addresses stand for two cycles."""
BOUND = OPENING + 4 + 7 * LAYERS + 4 * PASSES


@proof("hdl.control.sequencer")
def ends(module: types.ModuleType) -> Verdict:
    """1..2 inputs, 1..2 outputs on one lane, tiles of 1..2 rows, 1..2 slices: done in time."""
    run = Run()
    m = run.module
    m.submodules.sequencer = s = module.Sequencer(GEOMETRY)
    step = Signal(range(BOUND + 2))
    m.d.sync += step.eq(step + (step <= BOUND))

    # The descriptors, written before the start.
    words = []
    for i in range(LAYERS):
        inputs, outputs = run.constant(2, f"inputs_{i}"), run.constant(3, f"outputs_{i}")
        tile, wide = run.constant(2, f"tile_rows_{i}"), run.constant(1, f"wide_{i}")
        last = run.constant(1, f"last_{i}")
        run.given((inputs >= 1) & (inputs <= INPUTS) & (outputs >= 1) & (outputs <= OUTPUTS))
        run.given((tile >= 1) & (tile <= 2) & (last | (i < LAYERS - 1)))
        fields = {"inputs": inputs, "outputs": outputs, "tile_rows": tile, "dac_log2": wide + 2, "last": last}
        for word in range(2):
            value = 0
            for name, content in fields.items():
                at, low, _ = DESCRIPTOR[name]
                value |= (content << low) if at == word else 0
            words.append((i * DESCRIPTOR_WORDS + word, value))
    with m.Switch(step[1:]):
        for i, (address, value) in enumerate(words):
            with m.Case(i):
                m.d.comb += [
                    s.window.write.eq(~step[0]),
                    s.window.address.eq(address),
                    s.window.write_data.eq(value),
                ]

    # The array pauses, never two cycles in a row.
    ready = run.free(1, "ready")
    run.given(ready | run.past(ready, "ready_before"))
    done = Signal()
    m.d.comb += [s.start.valid.eq((step >= OPENING + 4) & ~done), s.passes.ready.eq(ready)]
    with m.If(s.start.valid & s.start.ready):
        m.d.sync += done.eq(1)
    run.always(done | (step < BOUND))
    run.stable(s.passes, "passes")
    run.reachable(~done & (step >= OPENING + 4 + 2 * PASSES))
    run.reachable(done)
    return check(run, depth=BOUND + 2)


BUGS = [
    (ends, "last_tile.eq(rows_left <= tile_rows)", "last_tile.eq(rows_left < tile_rows)"),
    (ends, "== 8),", "== 4),"),
]
