"""one_by_one: a schedule of readout that takes one pass after the other."""

from amaranth import Module, Signal
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.array import capture_latency
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.readout.schedule import EMITTER_CYCLES, Credit, Passing, schedule_ports, skipped, steps_most


class OneByOne(Sized):
    """A pass stays on ``passes``, and its sigma on ``sigma``, until its last step.

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
        # Registered: what it waits for only grows more true until ``begin``.
        ready, begin = Signal(), Signal()
        noise_ready = ~now.noisy | (self.sigma.valid & (self.samples_level >= steps))
        room = ~now.last | ((credit.credit >= steps) & self.groups.ready)
        m.d.sync += ready.eq(self.passes.valid & full & ~running & ~begin & noise_ready & room)
        m.d.comb += begin.eq(ready & ~running)
        # Known a cycle ahead, as is when to release; ``final`` only ever stands in a step.
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
            # The emitter's next last row reaches the column registers EMITTER_CYCLES + capture_latency later.
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
