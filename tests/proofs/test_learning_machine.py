"""Learning machine: an update that is asked for again is answered as before,
and not done again.

The learning core is cut: it may take any time and answer anything. So the claims are of
the machine alone, and what they ask of the core is what ``LearningCore`` promises: it
is not free in the cycle after a start, and counts starts in ``next``.
"""

import types
from typing import Any

import pytest
from amaranth import Module, Mux, Signal, signed

from ndrite.emulator.spec import Geometry
from ndrite.hdl.device.watchdog import Restart
from ndrite.hdl.learn.core import LearningCore
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401

pytestmark = pytest.mark.long

GEOMETRY = Geometry(
    name="proof", lanes=2, readouts=1, rows=8, layers=1, max_inputs=16, max_outputs=16, analog=False
)
FLAGS = """running, of_bank, fresh, remembered = Signal(), Signal(), Signal(), Signal()
        taken, done, looked = Signal(), Signal(), Signal()
"""
SHOWN = ((FLAGS, f"{FLAGS}        self.shown = taken, fresh, running, of_bank\n"),)
"""Lets the proof see when a request is taken."""


class Core(LearningCore):
    """Of which nothing is known but how it counts."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.start):
            m.d.sync += self.next.eq(self.next + 1)
        return m


def asked(module: types.ModuleType) -> tuple[Run, Any, Core]:
    """A machine whose link asks for any updates at any time."""
    run = Run()
    core = Core(GEOMETRY)
    module.LearningCore = lambda geometry: core  # type: ignore[attr-defined]
    module.Restart = lambda: Restart(1)  # type: ignore[attr-defined]  # a shallow proof gets past the reset
    machine = module.LearningMachine(GEOMETRY)
    run.module.submodules.machine = machine.elaborate(None)
    run.let(machine.master.start, "valid", "payload.bank", "payload.inference")
    run.let(core, "free", "right")
    run.module.d.comb += core.ready.eq(run.free(1, "ready") & core.free)
    run.module.d.comb += core.pulses[0].eq(run.free(32, "pulses"))
    run.given(~core.free | ~run.past(core.start, "begun"))
    return run, machine, core


@proof("ndrite.hdl.device.learning_machine", shown=SHOWN)
def done_once(module: types.ModuleType) -> Verdict:
    """An update is begun once: none but the next one, nor any again before
    numbers have gone round."""
    run, _, core = asked(module)
    number, seen, since = run.constant(32, "watched"), Signal(), Signal(32)
    begun, at = run.past(core.start, "begun_before"), core.update
    with run.module.If(begun & (at == number)):
        run.module.d.sync += [seen.eq(1), since.eq(0)]
    with run.module.Elif(begun):
        run.module.d.sync += since.eq(since + 1)
    run.always(~begun | ((at + 1)[:32] == core.next))
    run.always(~seen | ((number + 1 + since + begun)[:32] == core.next))
    run.always(~(begun & seen & (at == number)) | since.all())
    run.reachable(seen & (since == 2))
    return check(run, depth=16, induction=16)


@proof("ndrite.hdl.device.learning_machine", shown=SHOWN)
def answered_once(module: types.ModuleType) -> Verdict:
    """Every request that is taken is answered once, one after the other."""
    run, machine, _ = asked(module)
    taken, fresh, running, _ = machine.shown
    waits, over = Signal(2), machine.master.done
    run.module.d.sync += waits.eq(waits + taken - over)
    again = run.past(taken & ~fresh, "again")
    run.always(waits == running + again)
    run.always(~over | (waits == 1))
    run.reachable(over & again)
    run.reachable(over & ~again)
    return check(run, depth=11, induction=11)


@proof("ndrite.hdl.device.learning_machine", shown=SHOWN)
def answered_alike(module: types.ModuleType) -> Verdict:
    """Asked for again, an update is answered as when it was done; one that was
    not done, with -1."""
    run, machine, core = asked(module)
    taken, fresh, running, of_bank = machine.shown
    m, number, place = run.module, run.constant(32, "watched"), run.constant(1, "place")
    width = len(machine.master.result_address)
    kept, seen, ended = Signal(signed(32)), Signal(), running & machine.master.done
    with m.If(ended & (core.update == number)):
        m.d.sync += [seen.eq(1), kept.eq(Mux(place, core.pulses[0], core.right))]
    m.d.comb += machine.master.result_address.eq(place | (of_bank << (width - 1)))
    again = run.past(run.past(taken & ~fresh, "refused"), "again") & (core.update == number)
    run.always(~again | (machine.master.result_data == Mux(seen, kept, -1)))
    run.reachable(again & seen & (core.next == 2))
    return check(run, depth=16)


BUGS = [
    (done_once, "(core.next == next_one.inference)", "(core.next[1:] == next_one.inference[1:])"),
    (done_once, "core.start.eq(taken & fresh)", "core.start.eq(taken)"),
    (answered_once, "core.free & ~running & looked", "core.free & looked"),
    (answered_once, "answered.eq(taken & ~fresh)", "answered.eq(taken & remembered)"),
    (answered_alike, "recall.addr.eq(update)", "recall.addr.eq(next_one.inference)"),
    (answered_alike, "(behind <= count)", "(behind < count)"),
]
