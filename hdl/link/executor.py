"""executor: carries out checked packets in sequence order and composes their responses."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.packets import HEADER_BYTES, RESPONSE_FLAG, VERSION, Opcode, Status
from ndrite.hdl.link import words
from ndrite.hdl.link.decision import REQUESTS, WAYS, Decision, Inferences
from ndrite.hdl.link.states import States
from ndrite.hdl.link.unpacker import Unpacker, WordUnpacker
from ndrite.hdl.parts.bus import host_interface, load_one
from ndrite.hdl.parts.layouts import Ports, Sized, by_name
from ndrite.hdl.parts.target import is_small

AFTER_HEAD = ("finish", "read", "stream", "logit", "checked", "answered")
"""States that may follow when the header of a response has been sent."""


class Executor(Sized):
    """Implements the device's side of ``ndrite.emulator.spec.packets``: it carries out
    one request at a time, but may have as many inferences under way as there are banks.

    While a campaign runs, the executor refuses requests that would disturb the
    running datapath.

    Requests other than an inference wait until none is under way, so responses keep
    request order and the bus never meets a running datapath. Latency: about 2 cycles
    a byte plus the bus's (``ndrite.hdl.link.words``), about 10 a request. An INFER
    loads one input a cycle, a sparse one as ``ndrite.hdl.link.unpacker``, with
    feature maps as ``ndrite.hdl.link.unpacker``; a word of the answer takes 8.
    Resources: about 800 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "packet_ready": In(1),
            "packet_address": Out(bits_for(g.packet_bytes + 16)),
            "packet_data": In(8),
            "packet_release": Out(1),
            "master": Out(host_interface(g)),
            "begin": Out(1),
            "put": Out(1),
            "put_data": Out(8),
            "finish": Out(1),
            "repeat": Out(1),
            "busy": In(1),
            "sequence_error": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        self.small = is_small(platform)
        self.walking: Value = self.master.walking if g.map_codes else Const(0)
        self.states = states = States(
            m,
            *("idle", "open", "header", "compare", "judge", "weigh", "act", "execute"),
            *(("load", "unpacked", "judged") if g.unpacks_words else ("load", "unpack")),
            *("loaded", "settled", "start"),
            *words.STATES,
            *("verdict", "compose", "head", "finish", "drop"),
            *("result", "logit", "bytes", "answered", "rest"),
        )
        m.submodules.inferences = self.inferences = Inferences(g)
        self.words, self.status = words.Words(), Signal(Status)
        self.header = header = Signal(8 * HEADER_BYTES)
        self.response = Signal(8 * HEADER_BYTES)
        self.sequence, self.opcode = header[8:24], header[24:32]
        self.address, self.length = header[32:64], header[64:80]
        self.offset = Signal.like(self.packet_address)
        self.position = Signal(bits_for(max(g.max_inputs, g.map_codes and 65535)))
        # Reading a byte of the packet takes two cycles: in the first the address
        # advances, in the second the byte at the previous address is taken. The memory
        # answers two cycles after the address.
        phase = Signal()
        moving = states["header"] | states["count"] | states["fetch"]
        m.d.sync += phase.eq(moving & ~phase)
        next_phase = phase
        last_offset, counted, headed = Signal.like(self.packet_address), Signal(), Signal()
        m.d.sync += [headed.eq(self.offset == HEADER_BYTES - 1), counted.eq(self.offset == last_offset)]
        m.submodules.unpacker = self.unpacker = unpacker = WordUnpacker(g) if g.unpacks_words else Unpacker()
        advance = Const(0) if g.unpacks_words else unpacker.advance
        with m.If((moving & ~phase) | states["load"] | advance):
            m.d.sync += self.offset.eq(self.offset + 1)
        m.d.comb += [self.packet_address.eq(self.offset), self.packet_release.eq(states["drop"])]

        m.submodules.decision = self.decision = decision = Decision()
        m.d.comb += [
            decision.header.eq(header),
            decision.inputs.eq(self.master.inputs),
            decision.walking.eq(self.walking),
            decision.compare.eq(states["compare"]),
            decision.judge.eq(states["judge"]),
            decision.weigh.eq(states["weigh"]),
            decision.act.eq(states["act"]),
        ]
        with states.at("idle"):
            m.d.sync += self.offset.eq(0)
        states.chain("open", "header")
        with states.at("header"):
            states.go("compare", when=phase & headed)
        with states.at("compare"):
            m.d.sync += last_offset.eq(self.length + (HEADER_BYTES - 1))
            states.go("judge")
        states.chain("judge", "weigh", "act")
        self._around(m)
        self._infer(m)
        self.words.build(m, states, self.master.bus, g, next_phase, counted)
        self._answer(m)
        self._result(m)
        self._shift(m, next_phase)
        return m

    def _around(self, m: Module) -> None:
        """Connect the executor's signals to the ports of the decision."""
        states, decision, w, inferences = self.states, self.decision, self.words, self.inferences
        maps = self.geometry.map_codes > 0
        # Registered for timing. One cycle of delay is harmless: these signals change
        # only because of what this state machine did earlier, or towards the value
        # that it waits for.
        m.d.sync += [
            decision.due.eq(inferences.due & ~self.busy),
            # While a core is in reset (``busy``), the bus is not used either.
            decision.quiet.eq(inferences.none & ~inferences.lost & ~self.busy),
            decision.room.eq(inferences.room & ~self.master.copying if maps else inferences.room),
            decision.none.eq(inferences.none),
            decision.campaign.eq(self.master.campaign_busy),
            decision.bare.eq(~self.master.programmed),
        ]
        m.d.comb += [
            w.address.eq(self.address),
            *by_name(w, decision, "amount", "short"),
            w.streams.eq(0 if self.small else decision.at_streamed),
            self.repeat.eq(states["act"] & decision.repeats),
            self.sequence_error.eq(states["act"] & decision.wrong),
        ]
        with states.at("compare"):
            m.d.sync += w.checking.eq(self.opcode == Opcode.CHECK)
        with states.at("idle"):
            states.choose((decision.due, "result"), (self.packet_ready, "open"))
        with states.at("act"):
            # A finished inference is answered first; the new packet stays in its slot
            # and is decided on again.
            decision.lead(m, states, WAYS)
            m.d.sync += self.status.eq(decision.reply)
        with states.at("execute"):
            decision.lead(m, states, REQUESTS | ({"unpacks": "load"} if self.geometry.unpacks_words else {}))
            m.d.sync += [self.status.eq(decision.refusal), self.position.eq(0)]

    def _infer(self, m: Module) -> None:
        """Load the request's payload into an input bank, then start the inference."""
        g, states, master = self.geometry, self.states, self.master
        inferences = self.inferences
        load_request, loading = Signal(), Signal()
        # If a hung core is reset while an inference is being started, that inference
        # counts as lost, like all inferences under way.
        begun = Signal()
        m.d.comb += begun.eq(states["start"] & (master.start.ready | inferences.lost))
        # ``last_load`` is computed a cycle ahead, both in the first cycle and
        # while counting down.
        to_load, last_load = Signal.like(self.length), Signal()
        m.d.sync += last_load.eq(~to_load[2:].any() & (to_load[:2] == Mux(states["load"], 2, 1)))
        with states.at("act"):
            m.d.sync += to_load.eq(self.length)
            if g.unpacks_words:
                # An empty payload is loaded as if it had one byte, and then rejected.
                with m.If(~self.length.any()):
                    m.d.sync += to_load.eq(1)
        m.d.sync += [load_request.eq(states["load"]), loading.eq(load_request)]
        m.d.comb += [
            *(self._words(loading) if g.unpacks_words else self._codes(m, loading)),
            master.start.valid.eq(states["start"] & ~inferences.lost),
            master.start.payload.bank.eq(inferences.bank),
            master.start.payload.inference.eq(self.address),
            inferences.begin.eq(states["start"]),
            inferences.begun.eq(begun),
            inferences.number.eq(self.sequence),
            inferences.sparse.eq(self.decision.sparse),
            # A payload of one byte per code, for a chain, was judged by its length.
            inferences.wrong.eq((self.decision.sparse | self.walking) & self.unpacker.wrong),
            *by_name(inferences, master, "done", "campaign_started", "campaign_done", "hung"),
            inferences.answered.eq(states["answered"]),
        ]
        if g.map_codes:
            # The codes of a wrong payload are walked as one sample, whose results nobody gets.
            samples = Mux(self.unpacker.wrong, 1, self.unpacker.samples)
            m.d.comb += [inferences.single.eq(self.walking), master.samples.eq(samples)]
        with states.at("load"):
            m.d.sync += to_load.eq(to_load - 1)
            states.go("loaded", when=last_load)
        if not g.unpacks_words:
            with states.at("unpack"):
                states.go("loaded", when=self.unpacker.done)
        states.chain("loaded", *(["unpacked", "judged"] if g.unpacks_words else []), "settled", "start")
        with states.at("start"):
            states.go("drop", when=begun)

    def _codes(self, m: Module, loading: Value) -> list[Any]:
        """Load one code of the payload per cycle into the input bank."""
        g, master, unpacker, position = self.geometry, self.master, self.unpacker, self.position
        bank, valid, code = self.inferences.bank, Signal(), Signal(8)
        with m.If(valid):
            m.d.sync += position.eq(position + 1)
        load, load_address, load_data = load_one(g, valid=valid, index=position, bank=bank, code=code)
        return [
            unpacker.run.eq(self.states["unpack"]),
            unpacker.inputs.eq(master.inputs),
            unpacker.length.eq(self.length),
            unpacker.data.eq(self.packet_data),
            valid.eq(loading | unpacker.valid),
            code.eq(Mux(self.decision.sparse, unpacker.code, self.packet_data)),
            master.bank.eq(bank),
            master.load.eq(load),
            master.load_data.eq(load_data),
            master.load_address.eq(load_address),
        ]

    def _words(self, loading: Value) -> list[Any]:
        """Load up to eight codes of the payload per cycle into the input
        bank and the walker."""
        g, master, unpacker, bank = self.geometry, self.master, self.unpacker, self.inferences.bank
        word, load, code = unpacker.word, unpacker.load, unpacker.code
        return [
            unpacker.clear.eq(self.states["execute"]),
            unpacker.sparse.eq(self.decision.sparse),
            unpacker.inputs.eq(master.inputs),
            unpacker.samples_max.eq(Mux(self.walking, master.samples_max, 1)),
            unpacker.length.eq(self.length),
            unpacker.valid.eq(loading),
            unpacker.data.eq(self.packet_data),
            master.bank.eq(bank),
            master.load.eq(load),
            master.load_data.eq(code.replicate(g.load_codes)),
            master.load_address.eq(Cat(word[: exact_log2(g.max_inputs // g.load_codes)], bank)),
            master.sample_load.eq(load),
            master.sample_word.eq(word),
            master.sample_code.eq(code),
        ]

    def _answer(self, m: Module) -> None:
        """Send a request's response: header, payload, end of frame."""
        states, w = self.states, self.words
        self.answer_length, self.bare_answer = Signal(16), Signal()
        self.of_result = Signal()
        self.after = after = {name: Signal(name=f"after_{name}") for name in AFTER_HEAD}
        status = w.status()
        for name in ("compare", "failed"):
            with states.at(name):
                m.d.sync += [self.bare_answer.eq(1), self.of_result.eq(0)]
                m.d.sync += [after[n].eq(n == "finish") for n in AFTER_HEAD]
        for name, code in status.items():
            with states.at(name):
                m.d.sync += self.status.eq(code)
        with states.at("grant"):
            m.d.sync += [self.answer_length.eq(w.wanted), self.bare_answer.eq(w.refused)]
            m.d.sync += [
                after["finish"].eq(w.refused),
                after["checked"].eq(w.checking & w.empty),
                after["read"].eq(~w.refused & ~(w.checking & w.empty) & ~w.streams),
                after["stream"].eq(~w.refused & ~(w.checking & w.empty) & w.streams),
            ]
            states.go("verdict")

        states.chain("verdict", "compose", "head")
        index, headed = Signal(range(HEADER_BYTES)), Signal()
        m.d.sync += headed.eq(index == HEADER_BYTES - 2)
        with states.at("head"):
            m.d.sync += index.eq(index + 1)
            with m.If(headed):
                m.d.sync += index.eq(0)
                for name in AFTER_HEAD:
                    with m.If(after[name]):
                        states.go(name)
        m.d.comb += [
            self.begin.eq(states["compose"]),
            self.put.eq(states["head"] | states["bytes"] | ((states["put"] | w.putting) & ~w.checking)),
            self.put_data.eq(Mux(states["head"], self.response[:8], w.word[:8])),
            self.finish.eq(states["finish"] | states["answered"]),
        ]
        states.chain("finish", "drop", "idle")

    def _result(self, m: Module) -> None:
        """Send the response of the oldest finished inference."""
        g, states, master = self.geometry, self.states, self.master
        inferences = self.inferences
        lost = inferences.lost
        # The number of words to send is stored, so that a reset of the core during the
        # response cannot change it.
        beat = Signal(2)
        # In a program with feature maps, half of the banks holds the results of
        # samples walked together.
        bits, most = exact_log2(g.max_outputs), g.max_outputs * (g.banks // 2 if g.map_codes else 1)
        outputs, sent, all_sent = Signal.like(master.outputs), Signal(bits_for(most)), Signal()
        bank: Value = inferences.answer_bank
        if g.map_codes:
            bank = Mux(self.walking, Cat(sent[bits:][: len(bank) - 1], bank[0]), bank)
        self.result = Signal(32)
        m.d.sync += [
            master.result_address.eq(Cat(sent[:bits], bank)),
            self.result.eq(master.result_data),
            all_sent.eq(sent == outputs),
        ]
        with states.at("result"):
            m.d.sync += [
                self.answer_length.eq(master.outputs << 2),
                self.bare_answer.eq(lost | inferences.answer_wrong),
                self.of_result.eq(1),
                outputs.eq(master.outputs),
                sent.eq(0),
                beat.eq(0),
            ]
            m.d.sync += [signal.eq(0) for signal in self.after.values()]
            bare = lost | inferences.answer_wrong
            m.d.sync += [self.after["answered"].eq(bare), self.after["logit"].eq(~bare)]
            states.go("verdict")
        with states.at("logit"):
            # The first word was read while the header was sent. The address of each
            # further word is set when the first byte of the previous word is sent; a
            # word arrives at most four cycles after its address.
            m.d.sync += beat.eq(beat + 1)
            states.go("bytes", when=beat == 3)
        with states.at("bytes"):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == 0):
                m.d.sync += sent.eq(sent + 1)
            with m.If(beat == 3):
                states.choose((all_sent, "answered"), otherwise="logit")
        # Wait until the decision on the next packet sees that the inference is answered.
        states.chain("answered", "rest", "idle")

    def _shift(self, m: Module, taken: Value) -> None:
        """Build three shift registers: request headers shift in, response headers shift
        out, and memory words shift in and out."""
        states, w, header, response = self.states, self.words, self.header, self.response
        with m.If(states["header"] & taken):
            m.d.sync += header.eq(Cat(header[8:], self.packet_data))
        with m.If(states["head"]):
            m.d.sync += response.eq(response >> 8)
        with m.If(states["compose"]):
            inferences = self.inferences
            ended = Mux(self.bare_answer, Mux(inferences.lost, Status.HUNG, Status.BAD_LENGTH), Status.OK)
            opcode = Mux(inferences.answer_sparse, Const(Opcode.INFER_SPARSE, 8), Const(Opcode.INFER, 8))
            fields = (
                Const(VERSION, 8),
                Mux(self.of_result, inferences.answer_number, self.sequence),
                Mux(self.of_result, opcode, self.opcode) | RESPONSE_FLAG,
                Cat(Mux(self.of_result, ended, self.status), Const(0, 16))[:16],
                self.decision.expected,
                self.answer_length & ~self.bare_answer.replicate(16),
            )
            m.d.sync += response.eq(Cat(*fields))
        with m.If(states["put"] | w.putting | states["bytes"] | taken):
            m.d.sync += w.word.eq(Cat(w.word[8:], self.packet_data))
        with m.If(states["read"] | w.arrives):
            m.d.sync += w.word.eq(self.master.bus.read_data)
        with m.If(states["checked"]):
            m.d.sync += w.word.eq(~w.crc)
        with m.If(states["logit"]):
            m.d.sync += w.word.eq(self.result)
