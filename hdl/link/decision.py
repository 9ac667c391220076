"""decision: decides whether a request is carried out, and counts the inferences under way."""

from collections.abc import Mapping

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import REGION_SHIFT, REGIONS
from ndrite.emulator.spec.packets import HEADER_BYTES, VERSION, Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.hdl.link.states import States
from ndrite.hdl.parts.bus import STREAMED
from ndrite.hdl.parts.layouts import Ports, Sized, bank_bits, members, next_bank

WAYS = {"result": "result", "execute": "execute", "drop": "drop", "reply": "verdict", "wait": "weigh"}
"""Decision about a request -> state of the executor that carries the decision out."""
REQUESTS = {"asks": "count", "brings": "fetch", "loads": "load", "unpacks": "unpack", "refuses": "verdict"}
"""Kind of request -> the executor's state with which its execution begins."""


class Decision(wiring.Component):
    """Decides what is done with a request, in four steps of one cycle each; each step
    uses the results of the previous step.

    - Steps: ``compare`` examines the ``header``; ``judge`` determines what the request
      is; ``weigh`` decides what is done with it in the present state, and is repeated
      while ``way_wait`` is set; ``act`` updates the sequence number.
    - ``due``: an inference's answer can be sent. ``quiet``: nothing is under way and
      nothing is being sent. ``none``: no inference is under way. ``room``: another
      inference can be started. ``bare``: the device is not programmed. ``walking``: the
      program has feature maps, so that the length of an inference's payload is judged
      when it has been unpacked.
    - ``at_streamed``: the request's first address lies in the region
      ``ndrite.hdl.parts.bus.STREAMED``.

    Resources: about 150 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {name: In(1) for name in ("compare", "judge", "weigh", "act")}
            | {name: In(1) for name in ("due", "quiet", "room", "none", "campaign", "bare", "walking")}
            | {name: Out(1) for name in ("short", "sparse", "at_streamed", "repeats", "wrong")}
            | {f"way_{name}": Out(1) for name in (*WAYS, *REQUESTS)}
            | {
                "header": In(8 * HEADER_BYTES),
                "inputs": In(16),
                "amount": Out(16),
                "expected": Out(16),
                "reply": Out(Status),
                "refusal": Out(Status),
            }
        )

    def lead(self, m: Module, states: States, ways: Mapping[str, str]) -> None:
        """Enter the state that ``ways`` names for the decision that was made."""
        decided = members(self, [f"way_{name}" for name in ways])
        for name, to in ways.items():
            with m.If(decided[f"way_{name}"]):
                states.go(to)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header = self.header
        version, sequence, opcode = header[:8], header[8:24], header[24:32]
        address, length = header[32:64], header[64:80]
        latest, cached = Signal(16, init=0xFFFF), Signal()
        m.d.sync += self.expected.eq(latest + 1)

        is_next, is_repeat, sync, outdated, bare = (
            Signal(name=n) for n in ("is_next", "is_repeat", "sync", "outdated", "was_bare")
        )
        asks, checks, brings, infers, reads, writes = (
            Signal(name=n) for n in ("asks", "checks", "brings", "infers", "reads", "writes")
        )
        at_registers, at_control, fitting, two, four, hollow = (
            Signal(name=n) for n in ("at_registers", "at_control", "fitting", "two", "four", "hollow")
        )
        with m.If(self.compare):
            m.d.sync += [
                is_next.eq((version == VERSION) & (sequence == self.expected)),
                is_repeat.eq(sequence == latest),
                sync.eq(opcode == Opcode.SYNC),
                outdated.eq(version != VERSION),
                bare.eq(self.bare),
                asks.eq((opcode == Opcode.READ) | (opcode == Opcode.READ_SHORT) | (opcode == Opcode.CHECK)),
                checks.eq(opcode == Opcode.CHECK),
                brings.eq((opcode == Opcode.WRITE) | (opcode == Opcode.WRITE_SHORT)),
                infers.eq((opcode == Opcode.INFER) | (opcode == Opcode.INFER_SPARSE)),
                self.sparse.eq(opcode == Opcode.INFER_SPARSE),
                reads.eq(opcode == Opcode.READ),
                writes.eq(opcode == Opcode.WRITE),
                self.short.eq((opcode == Opcode.READ_SHORT) | (opcode == Opcode.WRITE_SHORT)),
                at_registers.eq(address[REGION_SHIFT:] == REGIONS["registers"]),
                self.at_streamed.eq(address[REGION_SHIFT:] == REGIONS[STREAMED]),
                at_control.eq(address == BY_NAME["campaign_control"].address),
                fitting.eq((length == self.inputs) | self.walking),
                two.eq(length == 2),
                four.eq(length == 4),
                hollow.eq(length == 0),
            ]

        again, loads, counts, fills, refusable = (
            Signal(name=n) for n in ("again", "loads", "counts", "fills", "refusable")
        )
        kind = {
            name: Signal(name=f"kind_{name}")
            for name in ("answer", "accept", "repeat", "sequence", "execute")
        }
        reply = Signal(Status)
        with m.If(self.judge):
            allowed = (reads & at_registers) | (writes & at_control) | sync | outdated
            repeated = is_repeat & cached
            m.d.sync += [
                again.eq(is_repeat & ~sync),
                loads.eq(infers & (fitting | self.sparse) & ~bare),
                counts.eq(asks & Mux(checks, four, two)),
                fills.eq(brings & ((length & Mux(self.short, 1, 3)) == 0) & ~hollow),
                self.amount.eq(Mux(self.short, length >> 1, length >> 2)),
                refusable.eq(is_next & ~allowed),
                kind["answer"].eq(outdated | sync | ~(repeated | is_next)),
                kind["accept"].eq(~outdated & (sync | (~repeated & is_next))),
                kind["repeat"].eq(~outdated & ~sync & repeated),
                kind["sequence"].eq(~outdated & ~sync & ~repeated & ~is_next),
                kind["execute"].eq(~outdated & ~sync & ~repeated & is_next),
                reply.eq(Status.SEQUENCE),
                self.refusal.eq(Status.BAD_OPCODE),
            ]
            with m.If(outdated):
                m.d.sync += reply.eq(Status.BAD_VERSION)
            with m.Elif(sync):
                m.d.sync += reply.eq(Mux(hollow, Status.OK, Status.BAD_LENGTH))
            with m.If(infers & bare):
                m.d.sync += self.refusal.eq(Status.NOT_PROGRAMMED)
            with m.Elif(infers | asks | brings):
                m.d.sync += self.refusal.eq(Status.BAD_LENGTH)

        accepts = Signal()
        with m.If(self.weigh):
            blocked = self.quiet & refusable & self.campaign
            # An inference request waits only for a free bank; every other request waits
            # until the core is idle. Neither is executed while a campaign runs.
            joins = is_next & loads & ~self.campaign
            settled = self.quiet & ~blocked & ~joins
            replies = blocked | (settled & kind["answer"])
            executes = (joins & ~self.due & self.room) | (settled & kind["execute"])
            # A repeated inference request is dropped if the answer to the first one
            # is still to come.
            drops = (~self.due & ~self.none & again) | (settled & kind["repeat"])
            m.d.sync += [
                self.way_result.eq(self.due),
                self.way_execute.eq(executes),
                self.way_drop.eq(drops),
                self.way_reply.eq(replies),
                self.way_wait.eq(~(self.due | executes | drops | replies)),
                self.way_asks.eq(counts),
                self.way_brings.eq(fills),
                self.way_loads.eq(loads & ~self.sparse),
                self.way_unpacks.eq(loads & self.sparse),
                self.way_refuses.eq(~(counts | fills | loads)),
                self.reply.eq(Mux(blocked, Status.BUSY, reply)),
                accepts.eq(blocked | joins | kind["accept"]),
                self.repeats.eq(settled & kind["repeat"]),
                self.wrong.eq(settled & kind["sequence"]),
            ]
        # The answer to a rejected request overwrites the stored answer to the latest
        # accepted request, which can then no longer be repeated.
        with m.If(self.act & (self.way_reply | self.way_execute)):
            m.d.sync += cached.eq(accepts)
            with m.If(accepts):
                m.d.sync += latest.eq(sequence)
        return m


class Inferences(Sized):
    """Counts the inferences under way, at most one per bank. They begin, finish and are
    answered in the cyclic order of the banks.

    - ``begun`` counts an inference with its ``number``, ``sparse`` (the format of its
      codes) and ``wrong`` (its codes are invalid); ``done`` counts its end and
      ``answered`` its answer.
    - ``answer_number``, ``answer_sparse`` and ``answer_wrong`` are those of the
      oldest inference.
    - With ``single`` there is ``room`` for one inference, and with maps for another one
      that waits for its start. Inferences of a campaign use banks in the same order.
    - After ``hung`` every inference under way is ``lost``, and its answer is due at
      once. When the last of them is answered, the counts restart at bank 0.

    Latency: one cycle. Resources: about 30 LUTs and 45 flip-flops with two banks.
    """

    def ports(self, g: Geometry) -> Ports:
        return (
            {name: In(1) for name in ("begin", "begun", "sparse", "wrong", "done", "answered", "single")}
            | {name: In(1) for name in ("campaign_started", "campaign_done", "hung")}
            | {name: Out(1) for name in ("answer_sparse", "answer_wrong", "none", "room", "due", "lost")}
            | {name: Out(bank_bits(g)) for name in ("bank", "answer_bank")}
            | {"number": In(16), "answer_number": Out(16)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        banks = self.geometry.banks
        bank, answer_bank = self.bank, self.answer_bank
        pending, finished = Signal(range(banks + 1)), Signal(range(banks + 1))
        is_pending = pending > 1 if self.geometry.map_codes else pending != 0
        requested_codes = [Signal(18, name=f"asked_{i}") for i in range(banks)]
        m.d.comb += [
            self.none.eq(pending == 0),
            self.room.eq((pending < banks) & ~(self.single & is_pending)),
            self.due.eq((pending != 0) & ((finished != 0) | self.lost)),
            Cat(self.answer_number, self.answer_sparse, self.answer_wrong).eq(
                Mux(answer_bank, requested_codes[1], requested_codes[0])
                if banks == 2
                else Cat(requested_codes).word_select(answer_bank, 18)
            ),
        ]
        m.d.sync += pending.eq(pending + self.begun - self.answered)
        m.d.sync += finished.eq(finished + self.done - self.answered)
        with m.If(self.begun | self.campaign_started):
            m.d.sync += bank.eq(next_bank(bank))
        with m.If(self.answered | self.campaign_done):
            m.d.sync += answer_bank.eq(next_bank(answer_bank))
        for i, of_bank in enumerate(requested_codes):
            # The request is stored in every cycle in which its inference is offered
            # to the core: the signal that the core accepts it arrives too late to
            # select a single cycle.
            with m.If(self.begin & (bank == i)):
                m.d.sync += of_bank.eq(Cat(self.number, self.sparse, self.wrong))
        with m.If(self.lost & self.none):
            m.d.sync += [self.lost.eq(0), bank.eq(0), answer_bank.eq(0), finished.eq(0)]
        with m.If(self.hung):
            m.d.sync += self.lost.eq(1)
        return m
