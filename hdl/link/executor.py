"""executor: carries out checked packets in sequence order and composes their responses."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import Geometry
from emulator.spec.memory_map import REGION_SHIFT, REGIONS
from emulator.spec.packets import HEADER_BYTES, RESPONSE_FLAG, VERSION, Opcode, Status
from emulator.spec.registers import BY_NAME
from hdl.link.crc import CRC_INIT, crc32_step
from hdl.master import MasterSignature

BYTES_32, BYTES_16 = 4, 2
STATES = {"finish": 0, "read": 1, "logit": 2, "checked": 3, "answered": 4}
"""Where composing a header can lead."""


class Executor(wiring.Component):
    """The protocol of ``emulator.spec.packets``: one request at a time, up to two inferences under way.

    While a campaign runs it refuses what would meet the running datapath.

    Requests other than INFER wait until no inference is under way, so responses keep request order and
    the bus never meets a running datapath. Latency: about 2 cycles a byte plus the bus's; an INFER loads
    one input a cycle. Resources: about 700 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "packet_ready": In(1),
                "packet_address": Out(bits_for(geometry.packet_bytes + 16)),
                "packet_data": In(8),
                "packet_release": Out(1),
                "master": Out(MasterSignature(geometry)),
                "begin": Out(1),
                "put": Out(1),
                "put_data": Out(8),
                "finish": Out(1),
                "repeat": Out(1),
                "busy": In(1),
                "sequence_error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, master = self.geometry, self.master
        header = Signal(8 * HEADER_BYTES)
        version, sequence, opcode = header[:8], header[8:24], header[24:32]
        address, length = header[32:64], header[64:80]
        expected = Signal(16)
        cached = Signal()
        self.status = status = Signal(8)
        self.answer_sequence = answer_sequence = Signal(16)
        self.answer_opcode = answer_opcode = Signal(8)
        self.answer_length = answer_length = Signal(16)
        self.result_words = Signal.like(master.outputs)
        offset = Signal.like(self.packet_address)
        index = Signal(range(16))
        word = Signal(32)
        byte = Signal(2)
        left = Signal(32)
        cursor = Signal(32)
        crc = Signal(32)
        # Decided a cycle before they are acted on; what follows from the header, once it is whole.
        is_next, is_repeat, runs, syncs, sync, outdated, allowed = (
            Signal(name=n) for n in ("is_next", "is_repeat", "runs", "syncs", "sync", "outdated", "allowed")
        )
        short, checking, one_left = (Signal(name=n) for n in ("short", "checking", "one_left"))
        empty, fits, right_count, bare = (Signal(name=n) for n in ("empty", "fits", "right_count", "bare"))
        wanted = Signal(16)
        refused = Signal()
        end_offset = Signal.like(self.packet_address)
        last_byte = Mux(short, BYTES_16 - 1, BYTES_32 - 1)
        m.d.sync += one_left.eq(left == 1)
        m.d.comb += [
            self.packet_address.eq(offset),
            master.bus.address.eq(cursor),
            master.bus.write_data.eq(Mux(short, word[16:].as_signed(), word.as_signed())),
        ]

        # Inferences: started, finished and answered ones alternate between the two banks.
        bank, answer_bank = master.bank, Signal()
        pending, finished = Signal(2), Signal(2)
        begun, answered = Signal(), Signal()
        sequences = [Signal(16, name=f"sequence_{i}") for i in range(2)]
        m.d.sync += pending.eq(pending + begun - answered)
        m.d.sync += finished.eq(finished + master.done - answered)
        # A campaign's inferences take their turn in the alternation.
        with m.If(master.campaign_started):
            m.d.sync += bank.eq(~bank)
        with m.If(master.campaign_done):
            m.d.sync += answer_bank.eq(~answer_bank)
        idle = pending == 0
        # After the watchdog every inference under way is answered as hung; then all begins anew.
        hung = self.hung = Signal()
        due = ~idle & ((finished != 0) | hung)
        with m.If(hung & idle):
            m.d.sync += [hung.eq(0), bank.eq(0), answer_bank.eq(0), finished.eq(0)]
        with m.If(master.hung):
            m.d.sync += hung.eq(1)

        def answer(code: Status, *, size: object = 0, then: str = "finish") -> None:
            """Compose the header of the current request's response, then go to state ``then``."""
            m.d.sync += [status.eq(code), answer_length.eq(size), after.eq(STATES[then])]
            m.next = "compose"

        after = Signal(range(len(STATES)))
        asked, loading = Signal(), Signal()
        position = Signal(bits_for(g.max_inputs))
        m.d.sync += [asked.eq(0), loading.eq(asked), position.eq(position + loading)]
        m.d.comb += [
            master.load.eq(loading),
            master.load_data.eq(self.packet_data),
            master.load_address.eq(Cat(position[: exact_log2(g.max_inputs)], bank)),
            master.result_address.eq(Cat(left[: exact_log2(g.max_outputs)], answer_bank)),
        ]

        with m.FSM():
            with m.State("idle"):
                m.d.sync += [offset.eq(0), index.eq(0)]
                with m.If(due & ~self.busy):
                    m.next = "result"
                with m.Elif(self.packet_ready):
                    m.next = "open"

            # The memory answers two cycles after the address. One byte in two cycles, then: the address moves
            # on in the first of them, the byte of the address before is taken in the second.
            with m.State("open"):
                m.next = "header"
            with m.State("header"):
                m.d.sync += [index.eq(index + 1), offset.eq(offset + ~index[0])]
                with m.If(index[0]):
                    m.d.sync += header.eq(Cat(header[8:], self.packet_data))
                    with m.If(offset == HEADER_BYTES):
                        m.next = "compare"

            with m.State("compare"):
                register_read = (opcode == Opcode.READ) & (address[REGION_SHIFT:] == REGIONS["registers"])
                control = (opcode == Opcode.WRITE) & (address == BY_NAME["campaign_control"].address)
                m.d.sync += [
                    is_next.eq((version == VERSION) & (sequence == expected)),
                    is_repeat.eq(sequence == (expected - 1)[:16]),
                    runs.eq((opcode == Opcode.INFER) & master.programmed & (length == master.inputs)),
                    sync.eq(opcode == Opcode.SYNC),
                    outdated.eq(version != VERSION),
                    syncs.eq((opcode == Opcode.SYNC) | (version != VERSION)),
                    allowed.eq(register_read | control),
                    short.eq((opcode == Opcode.READ_SHORT) | (opcode == Opcode.WRITE_SHORT)),
                    checking.eq(opcode == Opcode.CHECK),
                    empty.eq(length == 0),
                    right_count.eq(length == Mux(opcode == Opcode.CHECK, 4, 2)),
                    bare.eq(~master.programmed),
                    end_offset.eq(length + HEADER_BYTES),
                    answer_sequence.eq(sequence),
                    answer_opcode.eq(opcode),
                ]
                m.next = "decide"

            with m.State("decide"):
                m.d.sync += [byte.eq(0), word.eq(0), left.eq(0), cursor.eq(address)]
                m.d.sync += fits.eq((length & last_byte) == 0)
                quiet = idle & ~self.busy
                with m.If(due & ~self.busy):
                    # Answer first; the packet stays in its slot and is looked at again.
                    m.next = "result"
                with m.Elif(quiet & is_next & master.campaign_busy & ~(allowed | syncs)):
                    m.d.sync += [expected.eq(expected + 1), cached.eq(1)]
                    answer(Status.BUSY)
                with m.Elif(is_next & runs):
                    with m.If(pending < 2):
                        m.next = "execute"
                with m.Elif(~idle & is_repeat & ~sync):
                    # A repeat of an inference whose answer is still to come.
                    m.next = "drop"
                with m.Elif(quiet & outdated):
                    # The answer takes the place of the cached one.
                    m.d.sync += cached.eq(0)
                    answer(Status.BAD_VERSION)
                with m.Elif(quiet & sync):
                    m.d.sync += [expected.eq(sequence + 1), cached.eq(1)]
                    with m.If(empty):
                        answer(Status.OK)
                    with m.Else():
                        answer(Status.BAD_LENGTH)
                with m.Elif(quiet & is_repeat & cached):
                    m.d.comb += self.repeat.eq(1)
                    m.next = "drop"
                with m.Elif(quiet & ~is_next):
                    m.d.comb += self.sequence_error.eq(1)
                    m.d.sync += cached.eq(0)
                    answer(Status.SEQUENCE)
                with m.Elif(quiet):
                    m.next = "execute"

            with m.State("execute"):
                m.d.sync += [expected.eq(expected + 1), cached.eq(1)]
                with m.Switch(opcode):
                    with m.Case(Opcode.READ, Opcode.READ_SHORT, Opcode.CHECK):
                        with m.If(right_count):
                            m.next = "count"
                        with m.Else():
                            answer(Status.BAD_LENGTH)
                    with m.Case(Opcode.WRITE, Opcode.WRITE_SHORT):
                        with m.If(fits & ~empty):
                            m.d.sync += left.eq(Mux(short, length >> 1, length >> 2))
                            m.next = "fetch"
                        with m.Else():
                            answer(Status.BAD_LENGTH)
                    with m.Case(Opcode.INFER):
                        with m.If(bare):
                            answer(Status.NOT_PROGRAMMED)
                        with m.Elif(~runs):
                            answer(Status.BAD_LENGTH)
                        with m.Else():
                            m.next = "load"
                    with m.Default():
                        answer(Status.BAD_OPCODE)

            with m.State("load"):
                # Copies the payload into the input bank.
                m.d.sync += [offset.eq(offset + 1), left.eq(left + 1), asked.eq(1)]
                with m.If(left == 0):
                    m.d.sync += position.eq(0)
                with m.If(left == length - 1):
                    m.next = "start"
            with m.State("start"):
                m.d.comb += [
                    master.start.valid.eq(~asked & ~loading),
                    master.start.payload.bank.eq(bank),
                    master.start.payload.inference.eq(address),
                ]
                with m.If(master.start.valid & master.start.ready):
                    m.d.comb += begun.eq(1)
                    m.d.sync += bank.eq(~bank)
                    for i in range(2):
                        with m.If(bank == i):
                            m.d.sync += sequences[i].eq(sequence)
                    m.next = "drop"

            with m.State("count"):
                # 2 or 4 bytes of word count, low byte first.
                m.d.sync += [index.eq(index + 1), offset.eq(offset + ~index[0])]
                with m.If(index[0]):
                    m.d.sync += [left.eq(left | (self.packet_data << (byte << 3))), byte.eq(byte + 1)]
                    with m.If(offset == end_offset):
                        m.next = "counted"
            with m.State("counted"):
                # A CHECK of no words goes straight to its sum.
                bytes_wanted = Mux(short, left << 1, left << 2)
                m.d.sync += [
                    byte.eq(0),
                    crc.eq(CRC_INIT),
                    wanted.eq(bytes_wanted),
                    empty.eq(left == 0),
                    refused.eq((left == 0) | (bytes_wanted > g.packet_bytes)),
                ]
                m.next = "grant"
            with m.State("grant"):
                with m.If(checking):
                    answer(Status.OK, size=4, then="read")
                    with m.If(empty):
                        m.d.sync += after.eq(STATES["checked"])
                with m.Elif(refused):
                    answer(Status.BAD_LENGTH)
                with m.Else():
                    answer(Status.OK, size=wanted, then="read")

            with m.State("read"):
                m.d.comb += master.bus.request.eq(1)
                with m.If(master.bus.done):
                    m.d.sync += [word.eq(master.bus.read_data), cursor.eq(cursor + 1), byte.eq(0)]
                    m.next = "put"
                    with m.If(master.bus.error):
                        answer(Status.BAD_ADDRESS)
            with m.State("checked"):
                # The sum is sent as the one word of a READ would be.
                m.d.sync += [word.eq(~crc), checking.eq(0), left.eq(1), byte.eq(0)]
                m.next = "sum"
            with m.State("sum"):
                m.next = "put"
            with m.State("put"):
                m.d.comb += [self.put.eq(~checking), self.put_data.eq(word[:8])]
                m.d.sync += [
                    word.eq(word >> 8),
                    byte.eq(byte + 1),
                    crc.eq(crc32_step(crc, word[:8])),
                ]
                with m.If(byte == last_byte):
                    m.d.sync += left.eq(left - 1)
                    m.next = "read"
                    with m.If(one_left):
                        m.next = "finish"
                        with m.If(checking):
                            m.next = "checked"

            with m.State("fetch"):
                m.d.sync += [index.eq(index + 1), offset.eq(offset + ~index[0])]
                with m.If(index[0]):
                    m.d.sync += [word.eq(Cat(word[8:], self.packet_data)), byte.eq(byte + 1)]
                    with m.If(byte == last_byte):
                        m.d.sync += byte.eq(0)
                        m.next = "write"
            with m.State("write"):
                m.d.comb += [master.bus.request.eq(1), master.bus.write.eq(1)]
                with m.If(master.bus.done):
                    m.d.sync += [left.eq(left - 1), cursor.eq(cursor + 1)]
                    m.next = "fetch"
                    with m.If(master.bus.error):
                        answer(Status.BAD_ADDRESS)
                    with m.Elif(one_left):
                        answer(Status.OK)

            with m.State("compose"):
                m.d.comb += self.begin.eq(1)
                m.d.sync += index.eq(0)
                m.next = "head"
            self._head(m, index, expected, after)

            with m.State("finish"):
                m.d.comb += self.finish.eq(1)
                m.next = "drop"
            with m.State("drop"):
                m.d.comb += self.packet_release.eq(1)
                m.next = "idle"

            self._result(m, answered, answer_bank, sequences, left, word, byte, after)
        return m

    def _head(self, m: Module, index: Signal, expected: Signal, after: Signal) -> None:
        """The ten header bytes of a response."""
        fields = Cat(
            Const(VERSION, 8),
            self.answer_sequence,
            self.answer_opcode | RESPONSE_FLAG,
            self.status,
            Const(0, 8),
            expected,
            self.answer_length,
        )
        with m.State("head"):
            m.d.comb += [self.put.eq(1), self.put_data.eq(fields.word_select(index, 8))]
            m.d.sync += index.eq(index + 1)
            with m.If(index == HEADER_BYTES - 1):
                m.d.sync += index.eq(0)
                with m.Switch(after):
                    for name, number in STATES.items():
                        with m.Case(number):
                            m.next = name

    def _result(
        self,
        m: Module,
        answered: Signal,
        answer_bank: Signal,
        sequences: list[Signal],
        left: Signal,
        word: Signal,
        byte: Signal,
        after: Signal,
    ) -> None:
        """The response of the oldest finished inference."""
        master = self.master
        with m.State("result"):
            m.d.sync += [
                self.status.eq(Mux(self.hung, Status.HUNG, Status.OK)),
                self.answer_sequence.eq(Mux(answer_bank, sequences[1], sequences[0])),
                self.answer_opcode.eq(Opcode.INFER),
                self.answer_length.eq(Mux(self.hung, 0, master.outputs << 2)),
                # Kept: a reset of the core on the way must not change how many are sent.
                self.result_words.eq(master.outputs),
                after.eq(Mux(self.hung, STATES["answered"], STATES["logit"])),
                left.eq(0),
                byte.eq(0),
            ]
            m.next = "compose"
        with m.State("logit"):
            m.d.sync += byte.eq(byte + 1)
            with m.If(byte == 1):
                m.d.sync += [word.eq(master.result_data), byte.eq(0)]
                m.next = "logit bytes"
        with m.State("logit bytes"):
            m.d.comb += [self.put.eq(1), self.put_data.eq(word[:8])]
            m.d.sync += [word.eq(word >> 8), byte.eq(byte + 1)]
            with m.If(byte == 3):
                m.d.sync += [left.eq(left + 1), byte.eq(0)]
                m.next = "logit"
                with m.If(left == self.result_words - 1):
                    m.next = "answered"
        with m.State("answered"):
            m.d.comb += [self.finish.eq(1), answered.eq(1)]
            m.d.sync += answer_bank.eq(~answer_bank)
            m.next = "idle"
