"""inference: runs a stream of input codes through the accelerator and sends the
results; inferences overlap."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.bus import host_interface
from ndrite.hdl.parts.layouts import next_bank

GIVEN = ("load", "load_address", "load_data", "bank", "result_address")
HEARD = ("input_done", "done", "hung", "result_data", "campaign_started", "campaign_done")
"""Members of the accelerator's interface, other than ``start``, that this block uses."""


class Inference(wiring.Component):
    """Runs ``count`` inferences of ``inputs`` codes each, and sends their ``results``.
    The codes arrive on ``words``, eight in each word.

    Samples follow each other without a gap, and may begin anywhere in a word. As many
    inferences are under way as there are banks; the next sample is loaded as soon as
    the inputs of an inference have been read. The fields must not change while ``run``
    is high. ``finished``: the last result has been taken. If ``run`` falls early,
    inferences that are loaded or under way still run, and their results are dropped;
    ``idle`` once there are none.

    Latency: one cycle a word, two if samples begin within a word, in parallel
    with the previous inferences; 3 cycles a result. Resources: about 600 LUTs
    and 300 flip-flops.

    Raises ``ValueError`` for a geometry whose inferences do not overlap, and for one
    with feature maps: samples are loaded into input banks only.
    """

    def __init__(self, geometry: Geometry) -> None:
        if not geometry.overlap:
            raise ValueError(f"geometry {geometry.name!r}: overlap is False; accepted by a PCIe card: True")
        if geometry.map_codes:
            raise ValueError(
                f"geometry {geometry.name!r}: map_codes is {geometry.map_codes}; accepted by a PCIe card: 0"
            )
        self.geometry = geometry
        master = host_interface(geometry).members
        super().__init__(
            {
                "run": In(1),
                "count": In(24),
                "inputs": In(16),
                "outputs": In(16),
                "first_index": In(32),
                "words": In(stream.Signature(64)),
                "results": Out(stream.Signature(32)),
                "finished": Out(1),
                "idle": Out(1),
            }
            | {name: master[name] for name in ("start", *GIVEN, *HEARD)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        # Every inference takes the next bank, even during a campaign.
        bank, answer_bank = self.bank, Signal.like(self.bank)
        begun, answered = Signal(), Signal()
        pending, ended = Signal(range(g.banks + 1)), Signal(range(g.banks + 1))
        m.d.sync += [pending.eq(pending + begun - answered), ended.eq(ended + self.done - answered)]
        with m.If(begun | self.campaign_started):
            m.d.sync += bank.eq(next_bank(bank))
        with m.If(answered | self.campaign_done):
            m.d.sync += answer_bank.eq(next_bank(answer_bank))

        with m.If(self.hung):
            # The watchdog has reset the core: no inference is under way, and bank
            # numbers restart at 0.
            m.d.sync += [pending.eq(0), ended.eq(0), bank.eq(0), answer_bank.eq(0)]

        index, loading = Signal(32), Signal()
        loaded_count, collected = Signal(24), Signal(24)
        # ``unread``: number of samples that are loaded and that the core has not read
        # to the end; ``queued``: number of samples that are loaded and not started.
        ready, unread, queued = Signal(), Signal(range(g.banks + 1)), Signal(range(g.banks + 1))
        load_bank = Signal.like(bank)
        loaded = self._load(m, loading, load_bank)
        m.d.sync += [queued.eq(queued + ready - begun), unread.eq(unread + ready - self.input_done)]
        m.d.comb += [
            self.start.payload.bank.eq(bank),
            self.start.payload.inference.eq(index),
            self.start.valid.eq((queued != 0) & (pending < g.banks)),
            begun.eq(self.start.valid & self.start.ready),
        ]
        with m.If(begun):
            m.d.sync += index.eq(index + 1)
        with m.If(self.hung):
            m.d.sync += [queued.eq(0), unread.eq(0)]
        # After the watchdog's reset no inference is started until the run has ended.
        lost, going = Signal(), Signal()
        m.d.sync += lost.eq(self.run & (lost | self.hung))
        m.d.comb += going.eq(self.run & ~lost & ~self.hung)
        with m.FSM(name="loader"):
            with m.State("idle"):
                m.d.sync += [loaded_count.eq(0), load_bank.eq(bank)]
                with m.If(self.idle):
                    m.d.sync += index.eq(self.first_index)
                with m.If(going & ~self.finished & self.idle):
                    m.next = "wait"
            with m.State("wait"):
                with m.If(~going):
                    m.next = "idle"
                with m.Elif((unread < g.banks) & (loaded_count != self.count)):
                    m.next = "load"
            with m.State("load"):
                m.d.comb += loading.eq(1)
                with m.If(~going):
                    m.next = "idle"
                with m.Elif(loaded):
                    m.next = "settle"
            with m.State("settle"):
                with m.If(~going):
                    m.next = "idle"
                with m.Else():
                    m.d.comb += ready.eq(1)
                    m.d.sync += [loaded_count.eq(loaded_count + 1), load_bank.eq(next_bank(load_bank))]
                    m.next = "wait"

        column, waited = Signal(16), Signal(2)
        word = Signal(32)
        m.d.comb += [
            self.result_address.eq(Cat(column[: exact_log2(g.max_outputs)], answer_bank)),
            self.results.payload.eq(word),
            self.finished.eq(self.run & (collected == self.count)),
            self.idle.eq((pending == 0) & (ended == 0) & (queued == 0)),
        ]
        with m.If(~self.run):
            m.d.sync += collected.eq(0)
        with m.FSM(name="collector"):
            with m.State("idle"):
                m.d.sync += [column.eq(0), waited.eq(0)]
                with m.If(ended != 0):
                    m.next = "fetch"
            with m.State("fetch"):
                # The word from the result buffer arrives two cycles after its address.
                m.d.sync += [waited.eq(waited + 1), word.eq(self.result_data)]
                with m.If(waited == 2):
                    m.d.sync += waited.eq(0)
                    m.next = "give"
                with m.If(self.hung):
                    m.next = "idle"
            with m.State("give"):
                m.d.comb += self.results.valid.eq(self.run)
                with m.If(self.hung):
                    m.next = "idle"
                with m.Elif(self.results.ready | ~self.run):
                    m.d.sync += column.eq(column + 1)
                    m.next = "fetch"
                    with m.If(column == self.outputs - 1):
                        m.d.comb += answered.eq(1)
                        m.d.sync += collected.eq(collected + 1)
                        m.next = "idle"
        return m

    def _load(self, m: Module, loading: Value, bank: Signal) -> Value:
        """Load codes into ``bank`` while ``loading``; return a signal that is set when
        the last codes of a sample are loaded.

        A word is taken apart only where it crosses a word of the bank, or two
        samples meet in it.
        """
        g = self.geometry
        bytes_log2 = exact_log2(g.load_codes)
        buffer, have = Signal(64), Signal(range(g.load_codes + 1))
        position, left = Signal(16), Signal(16)
        offset, space = position[:bytes_log2], Signal.like(have)
        take, step = Signal.like(have), Signal()
        m.d.comb += [
            space.eq(g.load_codes - offset),
            take.eq(_least(_least(have, space), left)),
            step.eq(loading & (have != 0)),
            self.words.ready.eq(loading & ((have == 0) | (step & (have == take)))),
        ]
        with m.If(~loading):
            m.d.sync += [position.eq(0), left.eq(self.inputs)]
        with m.If(step):
            m.d.sync += [
                position.eq(position + take),
                left.eq(left - take),
                have.eq(have - take),
                buffer.eq(buffer >> Cat(Const(0, 3), take)),
            ]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += [buffer.eq(self.words.payload), have.eq(g.load_codes)]
        with m.If(~self.run):
            m.d.sync += have.eq(0)
        codes = Cat(take > i for i in range(g.load_codes))
        m.d.sync += [
            self.load.eq(Mux(step, codes << offset, 0)),
            self.load_address.eq(Cat(position[bytes_log2 : exact_log2(g.max_inputs)], bank)),
            self.load_data.eq(buffer << Cat(Const(0, 3), offset)),
        ]
        return step & (left == take)


def _least(a: Value, b: Value) -> Value:
    return Mux(a < b, a, b)
