"""learning_machine: bus, registers and learning core, driven through the host's
interface; an INFER request does a training update."""

from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning_map import (
    LABEL_CODES,
    LEARNING_MAP,
    MAGIC_LEARNING,
    REMEMBERED,
    STEP_TABLES_MAP,
    learning_words,
)
from ndrite.hdl.device.registers import Registers
from ndrite.hdl.device.watchdog import Restart
from ndrite.hdl.learn.core import LearningCore
from ndrite.hdl.link.receiver import LINK_EVENT_LAYOUT
from ndrite.hdl.parts.bus import Decoder, connect_bus, host_interface
from ndrite.hdl.parts.layouts import connect_windows, start_layout
from ndrite.hdl.parts.pipeline import Queue


class LearningMachine(wiring.Component):
    """Takes the place of ``Accelerator`` on a board that learns: the host loads
    samples, starts training updates and reads their results.

    A sample's first two codes are its label. While one update runs the next sample is
    loaded. The answer is whether the answer before the update was right, then the
    pulses of every layer. An update is done once, however often it is asked for: the
    latest REMEMBERED ones are answered again and not repeated, any other number but the
    next one is answered with -1 and not done. There is no watchdog: an update always
    ends. After a reset of the clock domain the core stays in reset until its pipelines
    are empty; requests wait. Latency: a request is compared for a cycle before it is
    taken, and an update's end is known a cycle late. Its instance is called
    ``machine``. Resources: the learning core's, a decoder and the registers.
    """

    def __init__(self, geometry: Geometry, *, build_id: int = 0) -> None:
        self.geometry = geometry
        self.build_id = build_id
        super().__init__(
            {
                "master": In(host_interface(geometry)),
                "link": In(LINK_EVENT_LAYOUT),
                "sequence_error": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, master = self.geometry, self.master
        m.submodules.decoder = decoder = Decoder(g, learning_words(g))
        registers = Registers(g, self.build_id)
        register_map = STEP_TABLES_MAP if g.step_tables else LEARNING_MAP
        registers.constants |= {"magic": MAGIC_LEARNING, "register_map": register_map}
        m.submodules.registers = registers
        m.submodules.restart = restart = Restart()
        core, starts = LearningCore(g), Queue(start_layout(g), 2)
        m.submodules.core = ResetInserter(restart.reset)(core)
        m.submodules.starts = ResetInserter(restart.reset)(starts)
        connect_bus(m, master.bus, decoder.bus, restart.reset)
        wiring.connect(m, decoder.registers, registers.window)
        connect_windows(m, decoder, core, learning_words(g))
        wiring.connect(m, wiring.flipped(master.start), starts.i)

        # Codes that arrive from a packet's memory: first those of the label, then
        # those of the sample.
        index_bits = exact_log2(g.max_inputs)
        loads, address, code = Signal(), Signal.like(master.load_address), Signal(8)
        m.d.sync += [loads.eq(master.load[0]), address.eq(master.load_address), code.eq(master.load_data)]
        index, bank = address[:index_bits], address[index_bits:]
        label = [Signal(16, name=f"label_{i}") for i in range(g.banks)]
        for i, bank_label in enumerate(label):
            with m.If(loads & (bank == i)):
                with m.If(index == 0):
                    m.d.sync += bank_label[:8].eq(code)
                with m.If(index == 1):
                    m.d.sync += bank_label[8:].eq(code)
        m.d.comb += [
            core.bank.eq(bank),
            core.fresh.eq(loads & (index == LABEL_CODES - 1)),
            core.push.eq(loads & (index >= LABEL_CODES)),
            core.code.eq(code),
            core.last.eq(index == core.inputs + (LABEL_CODES - 1)),
        ]

        # Only one update runs at a time. Its result goes to the bank that its sample
        # came from, and its number is remembered when it has finished.
        running, of_bank, fresh, remembered = Signal(), Signal(), Signal(), Signal()
        taken, done, looked = Signal(), Signal(), Signal()
        update, behind, count = Signal(32), Signal(32), Signal(range(REMEMBERED + 1))
        sample_label = Signal(16)
        next_one = starts.o.payload
        answer = 32 * (1 + g.layers)
        m.submodules.memory = memory = Memory(shape=answer, depth=REMEMBERED, init=[])
        keep, recall = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            starts.o.ready.eq(core.free & ~running & looked),
            taken.eq(starts.o.valid & starts.o.ready),
            remembered.eq((behind != 0) & (behind <= count)),
            core.start.eq(taken & fresh),
            core.from_bank.eq(next_one.bank),
            core.update.eq(update),
            core.label.eq(sample_label),
            keep.addr.eq(update),
            keep.data.eq(Cat(core.right, Const(0, 31), *core.pulses)),
            keep.en.eq(done),
            recall.addr.eq(update),
        ]
        # The requested update number is compared for a cycle before the request is taken.
        m.d.sync += [
            looked.eq(starts.o.valid & ~taken),
            behind.eq(core.next - next_one.inference),
            fresh.eq(core.next == next_one.inference),
            # The update is done when the states are written. It also counts as done
            # earlier if the next request is a fresh update, which may overlap the
            # writing; any other access could read the states too early.
            done.eq(running & ~done & (core.ready | (core.free & looked & fresh))),
        ]
        with m.If(taken):
            m.d.sync += [of_bank.eq(next_one.bank), update.eq(next_one.inference)]
            m.d.sync += sample_label.eq(Mux(next_one.bank, label[1], label[0]))
            m.d.sync += running.eq(fresh)
        with m.Elif(done):
            m.d.sync += running.eq(0)
            with m.If(count != REMEMBERED):
                m.d.sync += count.eq(count + 1)
        with m.If(core.next_written):
            m.d.sync += count.eq(0)
        answered, was_known = Signal(), Signal()
        m.d.sync += [answered.eq(taken & ~fresh), was_known.eq(remembered)]
        answers = [Signal(answer, name=f"answers_{i}") for i in range(g.banks)]
        for i, answer_register in enumerate(answers):
            with m.If(done & (of_bank == i)):
                m.d.sync += answer_register.eq(keep.data)
            with m.If(answered & (of_bank == i)):
                m.d.sync += answer_register.eq(Mux(was_known, recall.data, Const(-1, signed(answer))))
        output_bits = exact_log2(g.max_outputs)
        place, from_bank = master.result_address[:output_bits], master.result_address[output_bits]
        chosen = Mux(from_bank, answers[1], answers[0])
        m.d.comb += [
            master.done.eq(done | answered),
            master.hung.eq(restart.reset),
            master.inputs.eq(core.inputs + LABEL_CODES),
            master.outputs.eq(1 + core.depth),
            master.result_data.eq(chosen.word_select(place, 32)),
            master.programmed.eq(registers.program_tag.any()),
            core.noise.eq(registers.noise_enable[0]),
            core.seed.eq(Cat(registers.seed_low, registers.seed_high)),
            registers.link.eq(self.link),
            registers.sequence_error.eq(self.sequence_error),
            registers.events.started.eq(taken & fresh),
            registers.events.done.eq(done),
        ]
        return m
