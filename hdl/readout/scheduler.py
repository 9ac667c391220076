"""scheduler: when readout begins a pass and takes its columns, one pass after the other or back to back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import Geometry
from hdl.array.array import capture_latency
from hdl.parts.layouts import readout_layout
from hdl.parts.queue import Queue
from hdl.parts.waiting_sums import waiting_sums

EMITTER_CYCLES = 3
"""Cycles from ``release`` until a last row that waits for it is on the array's ``row``."""


@dataclass
class ReadoutStep:
    """Whose columns are taken in the cycle of a ``step``: the pass, its sigma, P columns' ``slot`` among the
    lanes and ``entry`` among the network's columns.
    """

    now: Any
    sigma: Value
    step: Signal
    slot: Signal
    entry: Signal


def one_by_one(m: Module, platform: object, readout: Any, groups: Queue, partials: Queue) -> ReadoutStep:
    """A pass stays on ``passes``, and its sigma on ``sigma``, until its last step; 3 cycles between two."""
    g = readout.geometry
    step_log2 = exact_log2(g.readouts)
    release = capture_latency(g, platform) + (EMITTER_CYCLES if g.overlap else 0)
    now = readout.passes.payload
    full, running, step = Signal(), Signal(), Signal()
    count = Signal(range(readout.steps + 1))
    credit = Signal(range(readout.depth + 1), init=readout.depth)
    steps, skip = now.steps, _skipped(g, now)
    total, passing = steps + skip, _Passing(m, g)
    # Registered: what it waits for only grows more true until ``begin``.
    ready, begin = Signal(), Signal()
    noise_ready = ~now.noisy | (readout.sigma.valid & (readout.samples_level >= steps))
    room = ~now.last | ((credit >= steps) & groups.i.ready)
    m.d.sync += ready.eq(readout.passes.valid & full & ~running & ~begin & noise_ready & room)
    m.d.comb += begin.eq(ready & ~running)
    # Known a cycle ahead, as is when to release; ``final`` only ever stands in a step.
    final, releasing = Signal(), Signal()
    ending = final
    # Slices added at once are read out one after the other, from one capture.
    tile_end = now.slice_last if g.slices > 1 else Const(1, 1)
    m.d.comb += [
        step.eq(running & ~passing.now),
        readout.shift.eq(running),
        readout.advance.eq(ending & ~tile_end),
        # The emitter's next last row reaches the column registers EMITTER_CYCLES + capture_latency later.
        readout.release.eq(running & tile_end & releasing),
        readout.samples.ready.eq(step & now.noisy),
        readout.sigma.ready.eq(ending & now.noisy),
        readout.passes.ready.eq(ending),
        readout.passed.eq(ending),
        groups.i.payload.eq(now.group),
        groups.i.valid.eq(begin & now.last),
    ]
    entry = Signal(bits_for(g.columns // g.readouts - 1))
    slot = Signal(range(max(readout.steps, 2)))
    with m.If(begin):
        m.d.sync += [running.eq(1), count.eq(total), slot.eq(0), entry.eq(now.column >> step_log2)]
        m.d.sync += [final.eq(total == 1), releasing.eq(total <= release), *passing.begin(skip)]
    with m.If(step):
        m.d.sync += [slot.eq(slot + 1), entry.eq(entry + 1)]
    with m.If(running):
        m.d.sync += [count.eq(count - 1), *passing.go()]
        m.d.sync += [final.eq(count == 2), releasing.eq(count == release + 1)]
    with m.If(ending):
        m.d.sync += running.eq(0)
    with m.If(readout.capture):
        m.d.sync += full.eq(1)
    with m.Elif(ending & tile_end):
        m.d.sync += full.eq(0)
    _account(m, readout, partials, credit, Mux(begin & now.last, steps, 0), steps)
    return ReadoutStep(now, readout.sigma.payload & now.noisy.replicate(16), step, slot, entry)


def back_to_back(m: Module, platform: object, readout: Any, groups: Queue, partials: Queue) -> ReadoutStep:
    """Where sums may wait: the next pass is looked at while one is read out, and follows at once.

    ``capture`` says that a pass's sums are in line. A pass, and its sigma, are taken as it begins.
    """
    g = readout.geometry
    step_log2 = exact_log2(g.readouts)
    release = capture_latency(g, platform) + EMITTER_CYCLES
    following = readout.passes.payload
    steps, skip = following.steps, _skipped(g, following)
    total, passing = steps + skip, _Passing(m, g)
    now = Signal(readout_layout(g), reset_less=True)
    sigma = Signal(16, reset_less=True)
    running, step, ready, begin, begun = Signal(), Signal(), Signal(), Signal(), Signal()
    # Known a cycle ahead, as is when to release; ``final`` only ever stands in a step.
    final, releasing = Signal(), Signal()
    count, samples_left = Signal(range(readout.steps + 1)), Signal(range(readout.steps + 1))
    credit = Signal(range(readout.depth + 1), init=readout.depth)
    # Passes in line that have not begun; samples beyond those the present pass takes.
    there = Signal(range(waiting_sums(g) + 2))
    spare = Signal.like(readout.samples_level)
    m.d.sync += [
        there.eq(there + readout.capture - begin),
        spare.eq(readout.samples_level - Mux(running & now.noisy, samples_left, 0)),
        begun.eq(begin),
        # What it waits for only grows more true; two cycles after ``begin`` it is that of the next pass.
        ready.eq(
            readout.passes.valid
            & (there != 0)
            & (~following.noisy | (readout.sigma.valid & (spare >= steps)))
            & (~following.last | ((credit >= steps) & groups.i.ready))
            & ~begin
            & ~begun
        ),
    ]
    m.d.comb += [
        begin.eq(ready & (~running | final)),
        step.eq(running & ~passing.now),
        readout.shift.eq(running),
        readout.shift_next.eq(begin | (running & ~final)),
        readout.close_next.eq(Mux(begin, total == 1, running & (count == 2))),
        # The emitter's next last row reaches its place EMITTER_CYCLES + capture_latency later.
        readout.release.eq(running & releasing),
        readout.samples.ready.eq(step & now.noisy),
        readout.sigma.ready.eq(begin & following.noisy),
        readout.passes.ready.eq(begin),
        readout.passed.eq(final),
        readout.sigma_now.eq(sigma),
        groups.i.payload.eq(following.group),
        groups.i.valid.eq(begin & following.last),
    ]
    entry = Signal(bits_for(g.columns // g.readouts - 1))
    slot = Signal(range(max(readout.steps, 2)))
    with m.If(step):
        m.d.sync += [slot.eq(slot + 1), entry.eq(entry + 1), samples_left.eq(samples_left - 1)]
    with m.If(running):
        m.d.sync += [count.eq(count - 1), *passing.go()]
        m.d.sync += [running.eq(~final), final.eq(count == 2), releasing.eq(count == release + 1)]
    with m.If(begin):
        m.d.sync += [now.eq(following), sigma.eq(readout.sigma.payload & following.noisy.replicate(16))]
        m.d.sync += [running.eq(1), count.eq(total), slot.eq(0), entry.eq(following.column >> step_log2)]
        m.d.sync += [final.eq(total == 1), releasing.eq(total <= release), samples_left.eq(steps)]
        m.d.sync += passing.begin(skip)
    _account(m, readout, partials, credit, Mux(begin & following.last, steps, 0), steps)
    return ReadoutStep(now, sigma, step, slot, entry)


def _skipped(g: Geometry, now: Any) -> Value:
    """Steps that go by before the pass's own columns come: those of lanes below its group's."""
    return now.skip if g.map_codes else Const(0)


class _Passing:
    """``now`` while columns of other groups go by."""

    def __init__(self, m: Module, g: Geometry) -> None:
        self._left = Signal(range(g.lanes // g.readouts), name="passing_left") if g.map_codes else None
        self.now: Any = Const(0) if self._left is None else Signal(name="passing")

    def begin(self, skip: Value) -> list[Any]:
        """A pass begins that skips so many steps."""
        return [] if self._left is None else [self._left.eq(skip), self.now.eq(skip != 0)]

    def go(self) -> list[Any]:
        """A step goes by, skipped or not."""
        if self._left is None:
            return []
        return [self._left.eq(self._left - 1), self.now.eq(self.now & (self._left != 1))]


def _account(m: Module, readout: Any, partials: Queue, credit: Signal, asked: Value, steps: Signal) -> None:
    """Room for partial sums: what a group's last pass will put into the queue is taken as it begins."""
    taken, given = Signal.like(steps), Signal()
    m.d.sync += [
        taken.eq(asked),
        given.eq(partials.o.valid & partials.o.ready),
        credit.eq(credit - taken + given),
    ]
