"""schedule: the order in which columns are read out: either one pass at a time, or
passes back to back."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.array import capture_latency
from ndrite.hdl.noise.noise import sample_depth
from ndrite.hdl.parts.layouts import Ports, Sized, group_layout, readout_layout, waiting_sums

EMITTER_CYCLES = 3
"""Cycles from ``release`` until a pass's last row that waits for it is on
the array's ``row``."""


def steps_most(geometry: Geometry) -> int:
    """Return the number of readout steps of a pass that reads every lane."""
    return geometry.lanes // geometry.readouts


def partial_depth(geometry: Geometry) -> int:
    """Return the number of readout steps whose partial sums may wait for the neurons."""
    return max(2 * steps_most(geometry), 4)


def step_layout(geometry: Geometry) -> StructLayout:
    """Layout of a readout step: the P columns that are read out in one cycle, if
    ``valid``. It has the pass that the columns belong to and its sigma, the
    columns' ``slot`` among the lanes, and their ``entry`` among the network's
    sets of P columns."""
    return StructLayout(
        {
            "valid": 1,
            "now": readout_layout(geometry),
            "sigma": 16,
            "slot": range(max(steps_most(geometry), 2)),
            "entry": bits_for(geometry.columns // geometry.readouts - 1),
        }
    )


def schedule_ports(geometry: Geometry) -> dict[str, wiring.Member]:
    """Ports of a readout schedule, named as in ``Readout``. ``given``: the
    partial sums of a step have gone to the neurons; ``samples_taken``: this step
    uses its noise samples."""
    return {
        "passes": In(stream.Signature(readout_layout(geometry))),
        "capture": In(geometry.lane_groups),
        "shift": Out(1),
        "release": Out(1),
        "sigma": In(stream.Signature(16)),
        "samples_level": In(bits_for(sample_depth(geometry))),
        "samples_taken": Out(1),
        "groups": Out(stream.Signature(group_layout(geometry))),
        "given": In(1),
        "step": Out(step_layout(geometry)),
        "passed": Out(1),
    } | ({"shift_next": Out(1), "close_next": Out(1)} if waiting_sums(geometry) else {})


def skipped(geometry: Geometry, now: Signal) -> Value:
    """Return the number of readout steps to skip before a pass's own columns arrive,
    since lower lanes belong to other column groups."""
    return now.skip if geometry.map_codes else Const(0)


class Passing(Sized):
    """Sets ``now`` while the columns of other column groups are skipped: after
    ``begin``, until ``go`` has been high for ``skip`` cycles.

    Latency: none. Resources: a counter if there are feature maps, otherwise nothing.
    """

    def ports(self, g: Geometry) -> Ports:
        return {"begin": In(1), "skip": In(bits_for(steps_most(g))), "go": In(1), "now": Out(1)}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self.geometry.map_codes:
            return m
        left = Signal(range(steps_most(self.geometry)))
        with m.If(self.begin):
            m.d.sync += [left.eq(self.skip), self.now.eq(self.skip != 0)]
        with m.Elif(self.go):
            m.d.sync += [left.eq(left - 1), self.now.eq(self.now & (left != 1))]
        return m


class Credit(Sized):
    """Reserves room in the queue of partial sums for all columns of a column group, at
    ``begin``, before the group's last pass starts.

    Latency: two cycles from ``begin`` to ``credit``. Resources: a counter.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "begin": In(1),
            "steps": In(bits_for(steps_most(g))),
            "given": In(1),
            "credit": Out(range(partial_depth(g) + 1), init=partial_depth(g)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots_taken, slots_returned = Signal.like(self.steps), Signal()
        m.d.sync += [
            slots_taken.eq(self.steps & self.begin.replicate(len(self.steps))),
            slots_returned.eq(self.given),
            self.credit.eq(self.credit - slots_taken + slots_returned),
        ]
        return m


class OneByOne(Sized):
    """Schedule that reads out one pass at a time: it keeps the current pass on
    ``passes``, and its sigma on ``sigma``, until the pass's last step.

    Two passes of two steps, whose sums come while the one before is read out or later::

        { "signal": [
          {"name": "passes.valid", "wave": "01................"},
          {"name": "capture",      "wave": "0010...10........."},
          {"name": "shift",        "wave": "0....1.0..1.0....."},
          {"name": "release",      "wave": "0....10...10......"},
          {"name": "passes.ready", "wave": "0.....10...10....."},
          {"name": "passed",       "wave": "0.....10...10....."}
        ] }

    Latency: 3 cycles between two passes. Resources: four counters, about 80 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return schedule_ports(g)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.passing = passing = Passing(g)
        m.submodules.credit = credit = Credit(g)
        release = capture_latency(g) + (EMITTER_CYCLES if g.overlap else 0)
        now = self.passes.payload
        slot, entry = Signal.like(self.step.slot), Signal.like(self.step.entry)
        full, running = Signal(), Signal()
        count = Signal(range(steps_most(g) + 1))
        steps, skip = now.steps, skipped(g, now)
        total = steps + skip
        # ``ready`` may be a register: each of its conditions, once true, stays
        # true until ``begin``.
        ready, begin = Signal(), Signal()
        noise_ready = ~now.noisy | (self.sigma.valid & (self.samples_level >= steps))
        room = ~now.last | ((credit.credit >= steps) & self.groups.ready)
        m.d.sync += ready.eq(self.passes.valid & full & ~running & ~begin & noise_ready & room)
        m.d.comb += begin.eq(ready & ~running)
        # ``final`` and ``releasing`` are computed a cycle ahead; ``final`` is high
        # only during a step.
        final, releasing = Signal(), Signal()
        ending = final
        m.d.comb += [
            passing.begin.eq(begin),
            passing.skip.eq(skip),
            passing.go.eq(running),
            credit.begin.eq(begin & now.last),
            credit.steps.eq(steps),
            credit.given.eq(self.given),
            self.step.valid.eq(running & ~passing.now),
            self.step.now.eq(now),
            self.step.slot.eq(slot),
            self.step.entry.eq(entry),
            self.step.sigma.eq(self.sigma.payload & now.noisy.replicate(16)),
            self.shift.eq(running),
            # If released now, the emitter's next last row reaches the column registers
            # EMITTER_CYCLES + capture_latency cycles later.
            self.release.eq(running & releasing),
            self.samples_taken.eq(self.step.valid & now.noisy),
            self.sigma.ready.eq(ending & now.noisy),
            self.passes.ready.eq(ending),
            self.passed.eq(ending),
            self.groups.payload.eq(now.group),
            self.groups.valid.eq(begin & now.last),
        ]
        with m.If(begin):
            m.d.sync += [running.eq(1), count.eq(total), slot.eq(0)]
            m.d.sync += entry.eq(now.column >> exact_log2(g.readouts))
            m.d.sync += [final.eq(total == 1), releasing.eq(total <= release)]
        with m.If(self.step.valid):
            m.d.sync += [slot.eq(slot + 1), entry.eq(entry + 1)]
        with m.If(running):
            m.d.sync += [count.eq(count - 1), final.eq(count == 2), releasing.eq(count == release + 1)]
        with m.If(ending):
            m.d.sync += running.eq(0)
        with m.If(self.capture):
            m.d.sync += full.eq(1)
        with m.Elif(ending):
            m.d.sync += full.eq(0)
        return m


class BackToBack(Sized):
    """Schedule that prepares the next pass while the current pass is read out, so that
    the next pass follows without a gap.

    ``capture`` says that a pass's sums are in line. A pass, and its sigma, are taken as
    it begins. Two passes of three steps, whose sums come one after the other::

        { "signal": [
          {"name": "passes.valid", "wave": "01............."},
          {"name": "capture",      "wave": "001.0.........."},
          {"name": "shift_next",   "wave": "0...1.....0...."},
          {"name": "shift",        "wave": "0....1.....0..."},
          {"name": "close_next",   "wave": "0.....10.10...."},
          {"name": "release",      "wave": "0....10.10....."},
          {"name": "passes.ready", "wave": "0...10.10......"},
          {"name": "passed",       "wave": "0......10.10..."}
        ] }

    Latency: none between passes. Resources: six counters and a register of a
    pass, about 120 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return schedule_ports(g)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.passing = passing = Passing(g)
        m.submodules.credit = credit = Credit(g)
        release = capture_latency(g) + EMITTER_CYCLES
        following = self.passes.payload
        slot, entry = Signal.like(self.step.slot), Signal.like(self.step.entry)
        steps, skip = following.steps, skipped(g, following)
        # A pass begins at least a cycle after its length was read.
        total, single, short = Signal(range(steps_most(g) + 1)), Signal(), Signal()
        m.d.sync += [
            total.eq(steps + skip),
            single.eq((steps == 1) & (skip == 0)),
            short.eq(steps + skip <= release),
        ]
        now = Signal(readout_layout(g), reset_less=True)
        sigma = Signal(16, reset_less=True)
        running, ready, begin, begun = Signal(), Signal(), Signal(), Signal()
        # ``final`` and ``releasing`` are computed a cycle ahead; ``final`` is high
        # only during a step.
        final, releasing = Signal(), Signal()
        count, samples_left = Signal(range(steps_most(g) + 1)), Signal(range(steps_most(g) + 1))
        # ``waiting_counts``: for each unit of lanes, the number of queued passes that
        # have not begun. ``spare``: the number of stored samples that the present
        # pass does not use.
        waiting_counts = [Signal(range(waiting_sums(g) + 2), name=f"there_{u}") for u in range(g.lane_groups)]
        spare = Signal.like(self.samples_level)
        m.d.sync += [
            *(count.eq(count + self.capture[u] - begin) for u, count in enumerate(waiting_counts)),
            spare.eq(self.samples_level - Mux(running & now.noisy, samples_left, 0)),
            begun.eq(begin),
            # ``ready`` may be a register: its conditions stay true until ``begin``.
            # From two cycles after ``begin`` they describe the next pass.
            ready.eq(
                self.passes.valid
                & Cat(count != 0 for count in waiting_counts).all()
                & (~following.noisy | (self.sigma.valid & (spare >= steps)))
                & (~following.last | ((credit.credit >= steps) & self.groups.ready))
                & ~begin
                & ~begun
            ),
        ]
        m.d.comb += [
            begin.eq(ready & (~running | final)),
            passing.begin.eq(begin),
            passing.skip.eq(skip),
            passing.go.eq(running),
            credit.begin.eq(begin & following.last),
            credit.steps.eq(steps),
            credit.given.eq(self.given),
            self.step.valid.eq(running & ~passing.now),
            self.step.now.eq(now),
            self.step.slot.eq(slot),
            self.step.entry.eq(entry),
            self.step.sigma.eq(sigma),
            self.shift.eq(running),
            self.shift_next.eq(begin | (running & ~final)),
            self.close_next.eq(Mux(begin, single, running & (count == 2))),
            # If released now, the emitter's next last row reaches the queues of sums
            # EMITTER_CYCLES + capture_latency cycles later.
            self.release.eq(running & releasing),
            self.samples_taken.eq(self.step.valid & now.noisy),
            self.sigma.ready.eq(begin & following.noisy),
            self.passes.ready.eq(begin),
            self.passed.eq(final),
            self.groups.payload.eq(following.group),
            self.groups.valid.eq(begin & following.last),
        ]
        with m.If(self.step.valid):
            m.d.sync += [slot.eq(slot + 1), entry.eq(entry + 1), samples_left.eq(samples_left - 1)]
        with m.If(running):
            m.d.sync += [count.eq(count - 1), running.eq(~final)]
            m.d.sync += [final.eq(count == 2), releasing.eq(count == release + 1)]
        with m.If(begin):
            m.d.sync += [now.eq(following), sigma.eq(self.sigma.payload & following.noisy.replicate(16))]
            m.d.sync += [running.eq(1), count.eq(total), slot.eq(0)]
            m.d.sync += entry.eq(following.column >> exact_log2(g.readouts))
            m.d.sync += [final.eq(single), releasing.eq(short), samples_left.eq(steps)]
        return m
