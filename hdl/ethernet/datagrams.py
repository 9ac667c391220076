"""datagrams: converts datagrams to the stream of frames and back, for one peer at a time."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec import datagrams as spec
from ndrite.emulator.spec.datagrams import Kind
from ndrite.hdl.link.states import States
from ndrite.hdl.noise.pass_schedule import PassKey

AGE_CYCLES = 1024
"""Time for which data waits to fill a datagram: about 10 us, a fraction of a round
trip through a host."""
NUMBER_BITS = 24
"""Number of bits of a 64-bit session token that are the number of the offer; the other
bits authenticate the token."""
ANSWER_BYTES = spec.OFFER_BYTES
assert ANSWER_BYTES == spec.REFUSED_BYTES


class Datagrams(wiring.Component):
    """Implements the device's side of the datagram protocol in
    ``ndrite.emulator.spec.datagrams``.

    Received datagrams arrive whole and checked: bytes on ``rx``, with ``rx_last`` at
    the last byte; their sender and ``rx_length`` (in bytes) are valid together with the
    bytes. Datagrams to send leave as bytes on ``tx``, followed by a pulse of
    ``tx_commit``; their receiver is valid together with the bytes. ``stream_*`` is the
    device's side, which takes a byte in every cycle. ``second`` pulses once a second.
    Latency: 20 cycles from a datagram's first byte to the stream, 35 more for the first
    datagram of a session. Resources: about 900 LUTs and 800 flip-flops.
    """

    def __init__(self, *, age_cycles: int = AGE_CYCLES) -> None:
        self.age_cycles = age_cycles
        super().__init__(
            {
                "rx": In(stream.Signature(8)),
                "rx_last": In(1),
                "rx_length": In(16),
                "rx_address": In(32),
                "rx_port": In(16),
                "rx_mac": In(48),
                "tx": Out(stream.Signature(8)),
                "tx_commit": Out(1),
                "tx_address": Out(32),
                "tx_port": Out(16),
                "tx_mac": Out(48),
                "stream_valid": Out(1),
                "stream_data": Out(8),
                "answers": In(stream.Signature(8)),
                "second": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.token, self.peer, self.mac = Signal(64), Signal(48), Signal(48)
        self.held, self.silence = Signal(), Signal(16)
        self.taken, self.sent = Signal(32), Signal(32)
        self.answer, self.answering, self.answered = Signal(8 * ANSWER_BYTES), Signal(), Signal()
        self.beginning, self.mixed = Signal(), Signal()
        self._receive(m)
        self._send(m)
        return m

    def _receive(self, m: Module) -> None:
        states = States(m, "header", "compare", "judge", "mix", "act", "gap", "piece", "drain", "answer")
        header, count, ended = Signal(8 * spec.HEADER_BYTES), Signal(range(spec.HEADER_BYTES)), Signal()
        kind, version, number, token = header[:8], header[8:16], header[32:64], header[64:]
        sender = Cat(self.rx_address, self.rx_port)
        fresh = Signal(64, init=1)
        m.d.sync += fresh.eq(Cat(~(fresh[63] ^ fresh[62] ^ fresh[60] ^ fresh[59]), fresh[:63]))
        offer, genuine = self._offer(m, states, Mux(kind == Kind.OPEN, 0, 1), token, sender, fresh)

        with m.If(self.second & (self.silence != 0xFFFF)):
            m.d.sync += self.silence.eq(self.silence + 1)
        m.d.comb += self.rx.ready.eq(states["header"] | states["piece"] | states["drain"])
        came = self.rx.valid & self.rx.ready
        with states.at("header"):
            with m.If(came):
                m.d.sync += [header.eq(Cat(header[8:], self.rx.payload)), ended.eq(self.rx_last)]
                m.d.sync += count.eq(Mux(self.rx_last, 0, count + 1))
                states.go("compare", when=count == spec.HEADER_BYTES - 1)
        # A datagram is classified in two pipeline stages, then acted on.
        is_kind = {k: Signal(name=f"is_{k.name.lower()}") for k in (Kind.OPEN, Kind.DATA, Kind.CLOSE)}
        of_session, from_peer = Signal(name="of_session"), Signal(name="from_peer")
        ahead, opens, answerable, expired = Signal(32), Signal(), Signal(), Signal()
        m.d.sync += expired.eq(self.silence >= spec.LEASE_S)
        with states.at("compare"):
            m.d.sync += [is_kind[k].eq((kind == k) & (version == spec.VERSION)) for k in is_kind]
            m.d.sync += [
                count.eq(0),
                of_session.eq(token == self.token),
                from_peer.eq(sender == self.peer),
                ahead.eq(number - self.taken),
                opens.eq(self.rx_length >= spec.OPEN_BYTES),
                answerable.eq(self.rx_length >= spec.REFUSED_BYTES),
            ]
            states.go("judge")
        names = ("begins", "belongs", "later", "skips", "offers", "refuses", "closes", "may")
        begins, belongs, later, skips, offers, refuses, closes, may = (Signal(name=n) for n in names)
        with states.at("judge"):
            mine = self.held & of_session & from_peer
            free = ~self.held | expired | from_peer
            m.d.sync += [
                may.eq(free),
                belongs.eq(is_kind[Kind.DATA] & mine),
                later.eq(~ahead[31] & (ahead != 0)),
                skips.eq(ahead != 1),
                offers.eq(is_kind[Kind.OPEN] & opens & free),
                closes.eq(is_kind[Kind.CLOSE] & mine),
                begins.eq(0),
                refuses.eq(is_kind[Kind.OPEN] & opens & ~free),
            ]
            # A session token is computed only for a datagram that asks for a token or
            # must present one.
            mixes = (is_kind[Kind.OPEN] & opens & free) | (is_kind[Kind.DATA] & ~mine)
            states.choose((mixes, "mix"), otherwise="act")
        with states.at("mix"):
            starts = is_kind[Kind.DATA] & genuine & may
            m.d.sync += begins.eq(starts)
            with m.If(is_kind[Kind.DATA]):
                m.d.sync += refuses.eq(answerable & ~starts)
            states.go("act", when=self.mixed)
        m.d.comb += self.beginning.eq(states["act"] & begins)
        holder = Mux(self.held & ~from_peer, Cat(self.peer, self.silence), 0)
        with states.at("act"):
            with m.If(begins | belongs):
                m.d.sync += self.silence.eq(0)
            with m.If(begins):
                m.d.sync += [self.held.eq(1), self.token.eq(token), self.peer.eq(sender)]
                m.d.sync += self.mac.eq(self.rx_mac)
            with m.If(begins | (belongs & later)):
                m.d.sync += self.taken.eq(number)
            states.choose(
                (begins | (belongs & later & skips), "gap"),
                (belongs & later & ~ended, "piece"),
                (offers | refuses, "answer"),
                otherwise="drain",
            )
            with m.If(closes):
                m.d.sync += self.held.eq(0)
            head = Cat(
                Mux(offers, Const(Kind.OFFER, 8), Const(Kind.REFUSED, 8)),
                Const(spec.VERSION, 8),
                Const(0, 48),
                Mux(offers, offer, token),
            )
            m.d.sync += self.answer.eq(Cat(head, Mux(offers, token, holder)))
        with states.at("gap"):
            states.choose((ended, "header"), otherwise="piece")
        with states.at("piece"):
            states.go("header", when=came & self.rx_last)
        with states.at("drain"):
            states.go("header", when=ended | (came & self.rx_last))
        with states.at("answer"):
            states.go("drain", when=self.answered)
        m.d.comb += self.answering.eq(states["answer"])
        m.d.sync += [
            self.stream_valid.eq(states["gap"] | (states["piece"] & self.rx.valid)),
            self.stream_data.eq(Mux(states["gap"], 0, self.rx.payload)),
        ]

    def _offer(
        self, m: Module, states: States, of_data: Value, token: Value, sender: Value, fresh: Signal
    ) -> tuple[Value, Value]:
        """Offer a session token to ``sender``. Return the offered token, and
        whether the received ``token`` was once offered to this sender and no later
        session has begun since.

        The device stores nothing about an offer, so that no number of later offers
        makes it void: a token consists of its number and of the encryption of number
        and receiver under a secret of this device.
        """
        m.submodules.cipher = cipher = PassKey()
        secret, next_number, used = Signal(64), Signal(NUMBER_BITS, init=1), Signal(NUMBER_BITS)
        number, genuine, settled = Signal(NUMBER_BITS), Signal(), Signal()
        with m.If(secret == 0):
            # ``secret`` is set before the first datagram arrives.
            m.d.sync += secret.eq(Mux(states["compare"], fresh, 0))
        with states.at("compare"):
            m.d.sync += number.eq(Mux(of_data, token[:NUMBER_BITS], next_number))
        since = (number - used)[:NUMBER_BITS]
        m.d.comb += [
            cipher.start.eq(states["judge"]),
            cipher.seed.eq(secret),
            cipher.inference.eq(sender[:32]),
            cipher.counter.eq(number),
            cipher.stream.eq(sender[32:]),
        ]
        m.d.sync += [
            settled.eq(cipher.done & states["mix"]),
            self.mixed.eq(settled & states["mix"] & ~self.mixed),
            genuine.eq((cipher.key[NUMBER_BITS:] == token[NUMBER_BITS:]) & ~since[-1] & (since != 0)),
        ]
        with states.at("act"):
            with m.If(self.beginning):
                m.d.sync += used.eq(number)
            with m.Elif(~of_data):
                m.d.sync += next_number.eq(next_number + 1)
        return Cat(number, cipher.key[NUMBER_BITS:]), genuine

    def _send(self, m: Module) -> None:
        states = States(m, "idle", "number", "load", "head", "piece", "commit")
        head, left = Signal(8 * ANSWER_BYTES), Signal(range(ANSWER_BYTES + 1))
        of_answer, room, age = Signal(), Signal(range(spec.PIECE_MAX + 1)), Signal(range(self.age_cycles + 1))
        # ``rests``: the last byte sent ended a frame; ``over``: a new session has
        # begun, so the datagram being sent belongs to the previous session.
        old, rests, over = Signal(), Signal(), Signal()
        m.d.sync += [old.eq(age == self.age_cycles), over.eq(self.beginning | (over & ~states["idle"]))]
        passing = states["piece"] & ~over
        m.d.comb += [
            self.tx.valid.eq(states["head"] | (passing & self.answers.valid)),
            self.tx.payload.eq(Mux(states["head"], head[:8], self.answers.payload)),
            # Without a session, the device's answers are discarded.
            self.answers.ready.eq((passing & self.tx.ready) | (states["idle"] & ~self.held)),
            self.tx_commit.eq(states["commit"]),
            self.answered.eq(states["load"] & of_answer),
        ]
        sent = self.tx.valid & self.tx.ready
        with states.at("idle"):
            m.d.sync += of_answer.eq(self.answering)
            states.choose((self.answering, "load"), (self.held & self.answers.valid, "number"))
        states.chain("number", "load")
        with states.at("load"):
            data = Cat(Const(Kind.DATA, 8), Const(spec.VERSION, 8), Const(0, 16), self.sent, self.token)
            m.d.sync += [
                head.eq(Mux(of_answer, self.answer, data)),
                left.eq(Mux(of_answer, ANSWER_BYTES, spec.HEADER_BYTES)),
                self.tx_address.eq(Mux(of_answer, self.rx_address, self.peer[:32])),
                self.tx_port.eq(Mux(of_answer, self.rx_port, self.peer[32:])),
                self.tx_mac.eq(Mux(of_answer, self.rx_mac, self.mac)),
                room.eq(spec.PIECE_MAX),
                age.eq(0),
                rests.eq(0),
            ]
            states.go("head")
        with states.at("head"):
            with m.If(sent):
                m.d.sync += [head.eq(head >> 8), left.eq(left - 1)]
                with m.If(left == 1):
                    states.choose((of_answer, "commit"), otherwise="piece")
        with states.at("piece"):
            with m.If(~old):
                m.d.sync += age.eq(age + 1)
            with m.If(sent):
                m.d.sync += [room.eq(room - 1), rests.eq(self.answers.payload == 0)]
            cut = ~self.answers.valid & ((rests & old) | self.answering)
            states.go("commit", when=over | (sent & (room == 1)) | cut)
        states.chain("commit", "idle")
        with m.If(self.beginning):
            m.d.sync += self.sent.eq(0)
        with m.Elif(states["number"]):
            m.d.sync += self.sent.eq(self.sent + 1)
