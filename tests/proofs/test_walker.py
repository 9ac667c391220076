"""Walker: whatever its parts take, records come in the program's order, a step when the
last one has left. Sequencer: every network of a small geometry is through within a
bound, whatever the array's pauses.

Of the walker its control alone: records, patches and gates are cut and take any time.
Waits are shorter than in gateware.
"""

import dataclasses
import types

import pytest
from amaranth import Mux, Signal

from ndrite.emulator.spec import PRESETS, Geometry
from ndrite.emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS
from ndrite.emulator.spec.walk_record import RECORD_WORDS
from ndrite.hdl.walk.records import HEADER_LAYOUT, STEP_LAYOUT
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401

pytestmark = pytest.mark.long

GEOMETRY = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, map_codes=1024)
FSM = "        with m.FSM():\n"
SEEN = "        self.seen = number, call, ahead, quiet, outstanding, is_first_index, left\n"
SHOWN = ((FSM, SEEN + FSM.replace(":", " as self.fsm:")),)
"""Lets the proof see where the control is."""
STATES = "idle loaded copy settled next fetch fetching settle multiply sample begin run".split()
DRAIN = 2
"""Cycles from a step's last results to its end, here."""


class Records:
    """Of which nothing is known but what number one that is ready has; 0 where it
    changed meanwhile."""

    depth = 256 * RECORD_WORDS

    def __init__(self, run: Run) -> None:
        self.header, m = Signal(HEADER_LAYOUT), run.module
        self.number, self.fetch, self.ready = Signal(8), Signal(), Signal()
        self.held, reading = Signal(8), Signal()
        self.begun = begun = run.past(self.fetch, "fetched")
        m.d.comb += self.header.eq(run.constant(HEADER_LAYOUT.size, "program"))
        with m.If(self.fetch):
            m.d.sync += [reading.eq(1), self.ready.eq(0)]
        with m.Elif(reading & run.free(1, "read")):
            m.d.sync += [reading.eq(0), self.ready.eq(1)]
        with m.If(begun):
            m.d.sync += self.held.eq(self.number)
        with m.Elif(reading & (self.held != self.number)):
            m.d.sync += self.held.eq(0)
        with m.If(begun & self.fetch):
            m.d.sync += self.held.eq(0)
        run.always(~(begun & self.ready))


@proof("ndrite.hdl.walk.walker", shown=SHOWN)
def walk(module: types.ModuleType) -> Verdict:
    """Records 1 to ``begins`` once, those behind them in every call, in the last one
    up to ``body``, then the answer's; a step begins when all codes of the one before
    were asked for and its patches have ended, as long ago as writing takes. One
    sample is walked."""
    run = Run()
    m = run.module
    module.CODE_BITS, module.TO_RESULTS = 2, 1  # type: ignore[attr-defined]
    module.drain_cycles = lambda g: DRAIN  # type: ignore[attr-defined]
    walker, records = module.Walker(GEOMETRY), Records(run)
    begins, body, steps, calls = (records.header[name] for name in ("begins", "body", "steps", "calls"))
    run.given((begins <= body) & (body < steps) & (steps != 255) & (calls != 0))
    run.given((calls == 1) | (begins + 1 < steps))
    step, taking = Signal(STEP_LAYOUT), Signal()
    asked, is_product, patch, ended, done = (
        run.free(1, name) for name in ("asked", "is_product", "patch", "ended", "done")
    )
    walker.patch_began, walker.copy_ends = patch, run.free(1, "copied")
    m.d.comb += [
        *(walker.activation.valid.eq(ended), walker.activation.last.eq(1), walker.done.eq(done)),
        walker.start.valid.eq(run.free(1, "asks")),
        walker.samples.eq(1),
    ]
    begin = walker._control(m, records, step, asked, is_product, taking)
    number, call, ahead, quiet, outstanding, is_first_index, unanswered = walker.seen
    at = {name: walker.fsm.ongoing(name) for name in STATES}

    # The record that was taken last, which call it is of, and the next one.
    now, its_call, fresh = Signal(8), Signal(16), Signal(init=1)
    in_last = its_call + 1 == calls
    answer = in_last & (now == body)
    again = (now == steps - 1) & ~answer
    answers = answer | (again & (its_call + 2 == calls) & (begins == body))
    after = Mux(answers, steps, Mux(again, begins, now) + 1)[:8]
    m.d.comb += [step.last.eq(now == steps), step.position_bits.eq(2)]
    with m.If(at["idle"]):
        m.d.sync += [now.eq(0), its_call.eq(0), fresh.eq(1)]
    with m.Elif(taking):
        m.d.sync += [now.eq(after), its_call.eq(its_call + again)]

    # Patches begin within a step and end once; ``left``: for how long there has
    # been nothing more.
    patches, left = Signal(8), Signal(4)
    run.given(~patch | (at["run"] & (patches != 255)))
    run.given(~(ended | done) | (patches != 0))
    run.given(~(ended & done))
    soon = begin | run.past(begin, "begun") | run.past(run.past(begin, "begun_1"), "begun_2")
    run.given(~run.past(asked & ~soon, "was_asked") | asked)
    run.given(~(asked & patch))
    m.d.sync += patches.eq(Mux(at["idle"], 0, patches + (patch & is_product) - (ended | done)))
    m.d.sync += left.eq(Mux(asked & (patches == 0) & ~begin, left + (left != 15), 0))
    with m.If(begin):
        m.d.sync += fresh.eq(0)

    # Where number and call stand in every state: the induction's own part.
    at_first = at["loaded"] | at["copy"] | at["sample"] | (at["multiply"] & is_first_index)
    run.always(at_first | at["idle"] | ~is_first_index)
    run.always(Mux(in_last, (now <= body) | (now == steps), (its_call < calls) & (now < steps)))
    run.always(~(at["settled"] | at["next"] | at["fetch"] | at["fetching"]) | (now != steps))
    here = (number == now) & (call == its_call)
    looped = again & (number == begins) & (call == its_call + 1)
    run.always(~at_first | ((now == 0) & (its_call == 0) & here & fresh))
    run.always(~at["idle"] | (patches == 0) | ~run.started | run.past(at["run"], "ran"))
    run.always(~(at["settled"] | at["next"]) | here | looped)
    run.always(~(at["fetch"] | at["fetching"]) | ((number == after) & (call == its_call + again)))
    run.always(~(at["settle"] | (at["multiply"] & ~is_first_index) | at["begin"]) | here)
    behind = (number == now + 1) & (call == its_call) & ~answer & ~again
    run.always(~at["run"] | Mux(ahead, behind, here))
    run.always(~(at["fetching"] | (at["run"] & ahead)) | records.begun | (records.held == number))
    run.always((outstanding == patches) | at["idle"])
    run.always(~at["run"] | (left + quiet >= DRAIN))
    rests = ~(at["idle"] | at["run"])
    run.always(~rests | fresh | ((patches == 0) & (left >= DRAIN) & asked))

    run.always(at["idle"] | (walker.together == 1))
    run.always(at["idle"] | at["loaded"] | (unanswered == 1))

    # The claims.
    run.always(~(done & at["run"] & step.last) | walker.finished)
    run.always(~taking | (records.held == after))
    run.always(~begin | fresh | ((patches == 0) & (left >= DRAIN)))
    run.reachable(begin & (its_call == 1) & (now == steps))
    return check(run, depth=31, induction=8)


LANES, INPUTS, OUTPUTS, LAYERS = 1, 2, 2, 1
ONE_LANE = Geometry(
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
"""Cycles in which the descriptors are written: two words each, whose addresses
stand for two cycles."""
BOUND = OPENING + 4 + 7 * LAYERS + 4 * PASSES


@proof("ndrite.hdl.control.sequencer")
def ends(module: types.ModuleType) -> Verdict:
    """1..2 inputs, 1..2 outputs on one lane, tiles of 1..2 rows, 1..2 slices: done in time."""
    run = Run()
    m = run.module
    m.submodules.sequencer = s = module.Sequencer(ONE_LANE)
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
    (walk, "(number == header.body) & (call + 1 == header.calls)", "(number == header.body)"),
    (walk, "all_done.eq(number == header.steps - 1)", "all_done.eq(number == header.steps)"),
    (walk, "with m.If(asked & (outstanding == 0)):", "with m.If(asked):"),
    (walk, "Mux(is_product, drain, TO_RESULTS", "Mux(is_product, 0, TO_RESULTS"),
    (walk, "with m.If(~body_done & ~all_done):", "with m.If(~body_done):"),
    (walk, "self.done & (left == 1)", "self.done & (left == 2)"),
    (ends, "last_tile.eq(rows_left <= tile_rows)", "last_tile.eq(rows_left < tile_rows)"),
    (ends, "== 8),", "== 4),"),
]
