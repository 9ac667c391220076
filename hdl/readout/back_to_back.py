"""back_to_back: a schedule of readout without a cycle between passes, where sums may wait."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.array import capture_latency
from ndrite.hdl.parts.layouts import readout_layout
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.parts.waiting_sums import waiting_sums
from ndrite.hdl.readout.schedule import EMITTER_CYCLES, Credit, Passing, schedule_ports, skipped, steps_most


class BackToBack(Sized):
    """The next pass is looked at while one is read out, and follows at once.

    ``capture`` says that a pass's sums are in line. A pass, and its sigma, are taken as it begins. Two passes
    of three steps, whose sums come one behind the other::

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

    Latency: none between passes. Resources: six counters and a register of a pass, about 120 LUTs.
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
        # A pass begins a cycle after it was looked at, at the earliest.
        total, single, short = Signal(range(steps_most(g) + 1)), Signal(), Signal()
        m.d.sync += [
            total.eq(steps + skip),
            single.eq((steps == 1) & (skip == 0)),
            short.eq(steps + skip <= release),
        ]
        now = Signal(readout_layout(g), reset_less=True)
        sigma = Signal(16, reset_less=True)
        running, ready, begin, begun = Signal(), Signal(), Signal(), Signal()
        # Known a cycle ahead, as is when to release; ``final`` only ever stands in a step.
        final, releasing = Signal(), Signal()
        count, samples_left = Signal(range(steps_most(g) + 1)), Signal(range(steps_most(g) + 1))
        # Passes in line that have not begun, of each unit of lanes; samples that the present pass leaves.
        waiting_counts = [Signal(range(waiting_sums(g) + 2), name=f"there_{u}") for u in range(g.lane_groups)]
        spare = Signal.like(self.samples_level)
        m.d.sync += [
            *(count.eq(count + self.capture[u] - begin) for u, count in enumerate(waiting_counts)),
            spare.eq(self.samples_level - Mux(running & now.noisy, samples_left, 0)),
            begun.eq(begin),
            # Once true, these conditions stay true until ``begin``, so they may be registered; two cycles
            # after ``begin`` they are those of the next pass.
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
            # The emitter's next last row reaches its place EMITTER_CYCLES + capture_latency later.
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
