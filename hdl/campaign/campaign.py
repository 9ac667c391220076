"""campaign: runs chips x trials x samples without the host: each virtual chip is
sampled, its inferences are run, and their votes are counted."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import CAMPAIGN_CHIPS
from ndrite.emulator.spec.variation import TRIAL_SHIFT
from ndrite.hdl.campaign.votes import BUFFER_LATENCY, WINNERS, Votes, windowed
from ndrite.hdl.neuron.neuron import logit_layout
from ndrite.hdl.parts.bus import WindowSignature, load_members
from ndrite.hdl.parts.layouts import Ports, Sized, bank_bits, next_bank, start_layout
from ndrite.hdl.parts.memory import RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed

RUN, ABORT = 1, 2
"""Bits of register ``campaign_control``."""
BYTES = 4
"""Input codes in a word of the sample buffer."""
assert BUFFER_LATENCY < BYTES, "the next word is asked for when the one before is taken"


class Campaign(Sized):
    """Runs a measurement campaign: for each virtual chip, trial and sample it runs an
    inference and counts a vote for the largest logit (the first of equal logits).

    ``run`` clears the votes. Then, for each chip, it has the chip drawn (``redraw_*``,
    chip + 1 on ``stream``), streams the samples from the sample buffer into the core's
    input banks, and counts the winning class of each inference by sample and class.
    ``correct`` of a chip counts the inferences whose winner equals the sample's label.
    ``abort`` ends the campaign after the inferences under way. In both cases the
    nominal weights are back in the array before ``busy`` falls. Latency: that of the
    inferences, which load one input a cycle (four with overlap) while the previous
    inference computes; about 30 cycles more a chip, and campaign_votes cycles at the
    beginning. Resources: the four memories, about 500 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "run": In(1),
            "abort": In(1),
            "first_chip": In(32),
            "chips": In(9),
            "samples": In(bits_for(g.campaign_samples)),
            "trials": In(13),
            "first_index": In(32),
            "inputs": In(16),
            "busy": Out(1),
            "chips_done": Out(9),
            "stream": Out(32),
            "redraw": Out(1),
            "nominal": Out(1),
            "redraw_busy": In(1),
            "bank": In(bank_bits(g)),
            **load_members(g, Out),
            "start": Out(stream.Signature(start_layout(g))),
            "input_done": In(1),
            "logit": In(logit_layout(g)),
        } | {f"{name}_window": In(WindowSignature()) for name in ("input", "label", "vote", "correct")}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        running, clearing, stopping = Signal(), Signal(), Signal()
        chip = Signal(range(CAMPAIGN_CHIPS + 1))
        clear_address = Signal(range(g.campaign_votes))
        m.d.comb += self.chips_done.eq(chip)
        # Inferences that are under way when the campaign begins are computed by the
        # nominal chip, so ``stream`` stays 0 until they have ended.
        launch, launched_all, voted_all = Signal(), Signal(), Signal()
        keep = Signal()

        with m.If(self.abort):
            m.d.sync += stopping.eq(1)
        with m.FSM() as fsm:
            m.d.sync += self.busy.eq(~fsm.ongoing("idle") | self.run)
            with m.State("idle"):
                m.d.sync += [stopping.eq(0), self.stream.eq(0), clear_address.eq(0)]
                with m.If(self.run):
                    m.d.sync += [chip.eq(0), self.stream.eq(self.first_chip + 1)]
                    m.next = "clear"
            with m.State("clear"):
                m.d.comb += clearing.eq(1)
                m.d.sync += clear_address.eq(clear_address + 1)
                with m.If(clear_address == g.campaign_votes - 1):
                    m.next = "chip"
            with m.State("chip"):
                m.next = "draw"
                with m.If((chip == self.chips) | stopping):
                    m.next = "restore"
            with m.State("draw"):
                m.d.comb += self.redraw.eq(1)
                m.next = "drawing"
            with m.State("drawing"):
                with m.If(~self.redraw_busy & ~self.redraw):
                    m.d.comb += launch.eq(1)
                    m.next = "run"
            with m.State("run"):
                m.d.comb += running.eq(1)
                with m.If(launched_all & voted_all):
                    m.next = "chip"
                    with m.If(~stopping):
                        m.d.comb += keep.eq(1)
                        m.d.sync += [chip.eq(chip + 1), self.stream.eq(self.stream + 1)]
            with m.State("restore"):
                m.d.comb += [self.redraw.eq(1), self.nominal.eq(1)]
                m.next = "restoring"
            with m.State("restoring"):
                with m.If(~self.redraw_busy):
                    m.next = "idle"
        m.submodules.votes = votes = Votes(g)
        outstanding = self._load(m, votes, launch, stopping, launched_all)
        m.d.sync += voted_all.eq(outstanding == 0)
        wiring.connect(m, wiring.flipped(self.label_window), votes.label_window)
        wiring.connect(m, wiring.flipped(self.vote_window), votes.vote_window)
        wiring.connect(m, wiring.flipped(self.correct_window), votes.correct_window)
        m.d.comb += [
            votes.running.eq(running),
            votes.launch.eq(launch),
            votes.samples.eq(self.samples),
            votes.clear.eq(clearing),
            votes.clear_address.eq(clear_address),
            votes.chip.eq(chip),
            votes.keep.eq(keep),
            votes.logit.eq(self.logit),
        ]
        return m

    def _load(
        self, m: Module, votes: Votes, launch: Signal, stopping: Signal, launched_all: Signal
    ) -> Signal:
        """Load samples into the input banks and start their inferences; return the
        number of inferences under way whose vote has still to be counted."""
        g = self.geometry
        m.submodules.inputs = memory = RegisteredMemory(32, g.campaign_words)
        pointer = Signal(range(g.campaign_words))
        windowed(m, memory, self.input_window, pointer)
        sample, trial = Signal.like(self.samples), Signal.like(self.trials)
        left, position = Signal(16), Signal(16)
        byte, wait = Signal(2), Signal(range(BUFFER_LATENCY + 2))
        word = Signal(32)
        bank, banks_taken = Signal(bank_bits(g)), Signal(range(g.banks + 1))
        outstanding = Signal(4)
        began, started = Signal(), Signal()
        last_sample = Signal()
        input_done = delayed(m, self.input_done, 1, "input_done")
        m.d.sync += banks_taken.eq(banks_taken + began - (input_done & (banks_taken != 0)))
        m.d.sync += outstanding.eq(outstanding + began - votes.voted)
        m.d.sync += last_sample.eq(sample + 1 == self.samples)
        # Both conditions are computed a cycle ahead; this is safe because every wait of
        # the state machine takes longer than a cycle.
        over, may = Signal(), Signal()
        m.d.sync += [
            over.eq(stopping | (trial == self.trials) | (self.samples == 0)),
            may.eq((banks_taken < g.banks) & (outstanding < min(g.banks + 1, WINNERS))),
        ]
        # ``place`` and the inference number do not change from the beginning of a
        # sample's load until its inference starts.
        place = Signal(32)
        m.d.sync += [
            place.eq(sample + (trial << TRIAL_SHIFT)),
            self.start.payload.inference.eq(self.first_index + place),
        ]
        # With overlap, one word of the sample buffer is loaded per cycle,
        # BUFFER_LATENCY cycles after its request.
        read_word = Signal()
        if g.overlap:
            arrived = delayed(m, read_word, BUFFER_LATENCY, "arrived")
            m.d.comb += self.load.eq(arrived.replicate(BYTES) << Cat(Const(0, 2), position[2]))
            load_address = Cat(position[3 : exact_log2(g.max_inputs)], bank)
            load_data = memory.data.replicate(2)
            with m.If(arrived):
                m.d.sync += position.eq(position + BYTES)
        else:
            load_address, load_data = Cat(position[: exact_log2(g.max_inputs)], bank), word[:8]
        m.d.comb += [
            self.load_address.eq(load_address),
            self.load_data.eq(load_data),
            self.start.payload.bank.eq(bank),
        ]
        with m.FSM() as fsm:
            loading = fsm.ongoing("load") & (byte != BYTES - 1)
            m.d.sync += word.eq(Mux(loading, word >> 8, memory.data))
            with m.State("idle"):
                m.d.sync += [sample.eq(0), trial.eq(0), pointer.eq(0), banks_taken.eq(0), outstanding.eq(0)]
                m.d.sync += wait.eq(0)
                with m.If(launch):
                    m.d.sync += [bank.eq(self.bank), launched_all.eq(0)]
                    m.next = "wait"
            with m.State("wait"):
                # The sample buffer's word at ``pointer`` arrives BUFFER_LATENCY cycles later.
                m.d.sync += [wait.eq(wait + (wait != BUFFER_LATENCY + 1)), left.eq(self.inputs)]
                m.d.sync += position.eq(0)
                m.d.sync += byte.eq(0)
                with m.If(over & (wait != 0)):
                    m.d.sync += launched_all.eq(1)
                    m.next = "idle"
                    with m.If(outstanding != 0):
                        m.next = "drain"
                with m.Elif((wait == BUFFER_LATENCY + 1) & may):
                    m.d.comb += began.eq(1)
                    if not g.overlap:
                        m.d.sync += pointer.eq(pointer + 1)
                    m.next = "load"
            with m.State("load"):
                if g.overlap:
                    m.d.comb += read_word.eq(1)
                    m.d.sync += [pointer.eq(pointer + 1), left.eq(left - BYTES), wait.eq(0)]
                    with m.If(left <= BYTES):
                        m.next = "arrive"
                else:
                    m.d.comb += self.load.eq(1)
                    m.d.sync += [position.eq(position + 1), left.eq(left - 1), byte.eq(byte + 1)]
                    with m.If(left == 1):
                        m.next = "start"
                    with m.Elif(byte == BYTES - 1):
                        m.d.sync += pointer.eq(pointer + 1)
            if g.overlap:
                with m.State("arrive"):
                    m.d.sync += wait.eq(wait + 1)
                    with m.If(wait == BUFFER_LATENCY):
                        m.next = "start"
            with m.State("start"):
                m.d.comb += self.start.valid.eq(1)
                with m.If(self.start.ready):
                    m.d.comb += started.eq(1)
                    m.d.sync += [bank.eq(next_bank(bank)), sample.eq(sample + 1), wait.eq(0)]
                    with m.If(last_sample):
                        m.d.sync += [sample.eq(0), trial.eq(trial + 1), pointer.eq(0)]
                    m.next = "wait"
            with m.State("drain"):
                with m.If(outstanding == 0):
                    m.next = "idle"
        return outstanding
