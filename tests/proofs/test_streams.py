"""Queues lose, double and reorder nothing; streams hold what they offer until it is taken."""

import types

from amaranth import Signal

from tests.proofs.checker import Run, Verdict, check
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401

DEPTH, WIDTH = 4, 1
QUEUE_CYCLES = 12


@proof("hdl.parts.queue", long=True)
def queue(module: types.ModuleType) -> Verdict:
    """The n-th payload out is the n-th in, for every n; the level is what went in less what came out."""
    run = Run()
    m = run.module
    m.submodules.queue = q = module.Queue(WIDTH, DEPTH)
    run.let(q, "i.valid", "i.payload", "o.ready")
    run.stable(q.o, "o")
    nth = run.constant(4, "nth")
    entered, left = Signal(4), Signal(4)
    marked, held = Signal(WIDTH), Signal()
    put, take = q.i.valid & q.i.ready, q.o.valid & q.o.ready
    m.d.sync += [entered.eq(entered + put), left.eq(left + take)]
    with m.If(put & (entered == nth) & ~held):
        m.d.sync += [marked.eq(q.i.payload), held.eq(1)]
    run.always(~(take & (left == nth)) | (held & (q.o.payload == marked)))
    run.always((q.level <= DEPTH) & (q.level == (entered - left)[:4]))
    run.reachable(take & (left == 3) & (q.level == DEPTH))
    return check(run, depth=QUEUE_CYCLES)


@proof("hdl.link.cobs")
def sender(module: types.ModuleType) -> Verdict:
    """The frame's bytes stay on offer until taken, whatever the memory holds that keeps its word."""
    run = Run()
    m = run.module
    m.submodules.sender = s = module.CobsSender(3)
    run.let(s, "start", "data", "o.ready")
    # The memory: what it answers two cycles after an address does not change while the address stands.
    before = run.past(s.address, "address_before")
    longer = run.past(before == s.address, "address_stands")
    run.given(~(longer & (before == s.address)) | (s.data == run.past(s.data, "data_before")))
    m.d.comb += s.length.eq(run.constant(2, "length"))
    run.stable(s.o, "o")
    run.reachable(s.o.valid & (s.o.payload == 0))
    return check(run, depth=18)


BUGS = [
    (queue, "write.en.eq(put)", "write.en.eq(put & (level != 3))"),
    (queue, "(~valid | self.o.ready)", "(~valid | 1)"),
    (queue, "with m.If(take & ~put):", "with m.If(self.o.ready & ~put):"),
    (queue, "level == 2, level == 1", "level == 1, level == 1"),
    (queue, "level != depth - 1", "level != depth"),
    (sender, "self.o.payload.eq(payload)", "self.o.payload.eq(payload ^ self.o.ready)"),
    (sender, "taken = offered & self.o.ready", "taken = offered"),
]
