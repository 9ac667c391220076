"""readout: adds P columns per cycle from the array to the partial sums, and passes
these on to the neuron."""

import itertools

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.arithmetic import ADC_BITS, SHIFT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.array import added_latency
from ndrite.hdl.noise.noise import sample_depth
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import (
    Ports,
    Sized,
    by_name,
    column_shape,
    group_layout,
    numbered,
    readout_layout,
    waiting_sums,
)
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.parts.target import unmerged
from ndrite.hdl.readout.readout_pipe import (
    GAIN_STAGE,
    HALF_STAGE,
    PIPE_LATENCY,
    SETTINGS_LAYOUT,
    SETTINGS_STAGES,
    TOP_STAGE,
    ReadoutPipe,
)
from ndrite.hdl.readout.schedule import BackToBack, OneByOne, partial_depth, steps_most

SETTINGS_BITS = 28


class Readout(Sized):
    """Converts the column sums of each pass and adds them up: p[m] += readout(a'[m]).
    After the last pass of a column group, p goes to the neuron.

    A pass takes ceil(columns / P) cycles, with 3 cycles between passes (``one_by_one``)
    or none (``back_to_back``); ``partials`` come PIPE_LATENCY + 1 cycles later.
    ``release`` tells the emitter that a place in the column registers, or in the queue
    in front of them (``waiting_sums``), will be free when its next last row arrives
    there. ``shift_next`` and ``close_next`` announce, one cycle ahead, a ``shift`` and
    a pass's last ``shift``; ``sigma_now`` is the sigma of that pass.

    Resources: P ``ReadoutPipe``, gain and offset memory of 28 bits a column, a partial
    sum memory of 32 bits a lane, a queue of as many.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "passes": In(stream.Signature(readout_layout(g))),
            "capture": In(g.lane_groups),
            "columns": In(ArrayLayout(column_shape(g), g.readouts)),
            "shift": Out(1),
            "release": Out(1),
            "sigma": In(stream.Signature(16)),
            "samples": In(stream.Signature(ArrayLayout(signed(12), g.readouts))),
            "samples_level": In(bits_for(sample_depth(g))),
            "groups": Out(stream.Signature(group_layout(g))),
            "partials": Out(stream.Signature(ArrayLayout(signed(32), g.readouts))),
            "passed": Out(1),
            "added": Out(1),
            "increments": Out(ArrayLayout(signed(32), g.readouts)),
            "window": In(WindowSignature()),
        } | ({"shift_next": Out(1), "close_next": Out(1), "sigma_now": Out(16)} if waiting_sums(g) else {})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.groups = groups = Queue(group_layout(g), 4)
        layout = ArrayLayout(signed(32), g.readouts)
        m.submodules.partials = partials = Queue(layout, partial_depth(g), parts=g.readouts)
        wiring.connect(m, groups.o, wiring.flipped(self.groups))
        wiring.connect(m, partials.o, wiring.flipped(self.partials))

        m.submodules.schedule = schedule = BackToBack(g) if waiting_sums(g) else OneByOne(g)
        wiring.connect(m, wiring.flipped(self.passes), schedule.passes)
        wiring.connect(m, wiring.flipped(self.sigma), schedule.sigma)
        wiring.connect(m, schedule.groups, groups.i)
        # If column sums are added over groups of lanes, they arrive later.
        late = added_latency(g)
        late_step = delayed(m, schedule.step, late, "step")
        samples = delayed(m, self.samples.payload, late, "samples")
        now, slot, entry = late_step.now, late_step.slot, late_step.entry
        m.d.comb += [
            *by_name(schedule, self, "capture", "samples_level"),
            schedule.given.eq(partials.o.valid & partials.o.ready),
            self.samples.ready.eq(schedule.samples_taken),
            *by_name(self, schedule, "shift", "release", "passed"),
        ]
        if waiting_sums(g):
            m.d.comb += [
                *by_name(self, schedule, "shift_next", "close_next"),
                self.sigma_now.eq(late_step.sigma),
            ]

        layout = StructLayout(
            {
                "valid": 1,
                "first": 1,
                "last": 1,
                "slot": slot.shape(),
                "entry": entry.shape(),
                "settings": SETTINGS_LAYOUT,
            }
        )
        stages = [Signal(layout, name=f"stage_{n}", reset_less=True) for n in range(PIPE_LATENCY + 1)]
        settings = stages[0].settings
        m.d.comb += [
            stages[0].valid.eq(late_step.valid),
            *by_name(stages[0], now, "first", "last"),
            stages[0].slot.eq(slot),
            stages[0].entry.eq(entry),
            *by_name(settings, now, "analog", "adc_bits"),
            settings.shift.eq(Mux(now.analog, 0, now.shift)),
            settings.lshift.eq(now.lshift),
        ]
        for early, late in itertools.pairwise(stages):
            m.d.sync += late.eq(early)
        half = Signal(SHIFT_MAX + 1, reset_less=True)
        m.d.sync += half.eq((Const(1, 1) << stages[HALF_STAGE - 1].settings.shift) >> 1)
        top = Signal(12, reset_less=True)
        with m.Switch(stages[TOP_STAGE - 1].settings.adc_bits):
            for bits in ADC_BITS:
                with m.Case(bits):
                    m.d.sync += top.eq((1 << (bits - 1)) - 1)

        gains = self._settings(m, stages[GAIN_STAGE - READ_LATENCY].entry)
        pipes = []
        for i in range(g.readouts):
            m.submodules[f"pipe_{i}"] = pipe = ReadoutPipe(g)
            pipes.append(pipe)
            m.d.comb += [
                pipe.column.eq(self.columns[i]),
                pipe.sample.eq(samples[i]),
                pipe.sigma.eq(late_step.sigma),
                pipe.gain.eq(gains[i][:16]),
                pipe.offset.eq(gains[i][16:].as_signed()),
                pipe.half.eq(half),
                pipe.top.eq(top),
            ]
            for n, settings in zip(SETTINGS_STAGES, numbered(pipe, "settings", SETTINGS_STAGES), strict=True):
                m.d.comb += settings.eq(stages[n].settings)
        self._accumulate(m, platform, pipes, stages, partials)
        return m

    def _accumulate(
        self,
        m: Module,
        platform: object,
        pipes: list[ReadoutPipe],
        stages: list[Signal],
        partials: Queue,
    ) -> None:
        """Build the memory of the partial sums p, one for each lane of a
        column group; each p is read one cycle before the converted sum that is
        added to it arrives."""
        g = self.geometry
        end = stages[PIPE_LATENCY]
        total = Signal(ArrayLayout(signed(32), g.readouts))
        m.d.comb += self.added.eq(end.valid)
        for i, pipe in enumerate(pipes):
            m.submodules[f"sums_{i}"] = sums = Memory(shape=signed(32), depth=max(steps_most(g), 2), init=[])
            write, read = sums.write_port(), sums.read_port()
            enable, first = (
                unmerged(m, platform, s, f"{n}_{i}")
                for n, s in (
                    ("adds", stages[PIPE_LATENCY - 1].valid),
                    ("begins", stages[PIPE_LATENCY - 1].first),
                )
            )
            m.d.comb += [
                read.addr.eq(unmerged(m, platform, stages[PIPE_LATENCY - 2].slot, f"read_slot_{i}")),
                write.addr.eq(unmerged(m, platform, stages[PIPE_LATENCY - 1].slot, f"write_slot_{i}")),
                write.en.eq(enable),
                write.data.eq(total[i]),
                self.increments[i].eq(pipe.increment),
                total[i].eq(Mux(first, 0, read.data) + pipe.increment),
            ]
        finished = Signal.like(total, name="finished", reset_less=True)
        m.d.sync += [finished.eq(total), partials.i.valid.eq(end.valid & end.last)]
        m.d.comb += partials.i.payload.eq(finished)

    def _settings(self, m: Module, entry: Signal) -> list[Signal]:
        """Return gain and offset of the P columns at address ``entry``, READ_LATENCY
        cycles later; the bus reads them when readout is idle."""
        g = self.geometry
        step_log2 = exact_log2(g.readouts)
        window = self.window
        bank, row = window.address[:step_log2], window.address[step_log2:]
        data = []
        for i in range(g.readouts):
            memory = RegisteredMemory(SETTINGS_BITS, g.columns // g.readouts)
            m.submodules[f"gains_{i}"] = memory
            m.d.comb += [
                memory.address.eq(Mux(window.select, row, entry)),
                memory.write.eq(window.write & (bank == i)),
                memory.write_address.eq(row),
                memory.write_data.eq(window.write_data),
            ]
            data.append(memory.data)
        m.d.sync += window.read_data.eq(Cat(*data).word_select(bank, SETTINGS_BITS))
        return data
