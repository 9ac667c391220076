"""decision: what a request's header asks for, whether it is its turn, and what is done with it."""

from collections.abc import Mapping

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.memory_map import REGION_SHIFT, REGIONS
from ndrite.emulator.spec.packets import HEADER_BYTES, VERSION, Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.hdl.link.states import States
from ndrite.hdl.parts.bus import STREAMED

WAYS = {"result": "result", "execute": "execute", "drop": "drop", "reply": "verdict", "wait": "weigh"}
"""What is done with a packet -> the executor's state."""
REQUESTS = {"asks": "count", "brings": "fetch", "loads": "load", "unpacks": "unpack", "refuses": "verdict"}
"""What carrying it out begins with -> the executor's state."""


class Decision(wiring.Component):
    """Four steps, each in one cycle on what the one before has found.

    ``compare`` looks at the ``header``, ``judge`` says what it asks for, ``weigh`` (again and again, while
    ``way_wait``) what is done with it as things stand, ``act`` keeps account of the sequence. ``due``: an
    inference's answer can be sent; ``quiet``: nothing is under way and nothing being sent; ``none``: no
    inference is under way; ``room``: another can be; ``bare``: the device is not programmed. ``at_streamed``:
    its first address lies in the region ``ndrite.hdl.parts.bus.STREAMED``.
    Resources: about 150 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {name: In(1) for name in ("compare", "judge", "weigh", "act")}
            | {name: In(1) for name in ("due", "quiet", "room", "none", "campaign", "bare")}
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
        """Go to the state of the way that was chosen."""
        for name, to in ways.items():
            with m.If(getattr(self, f"way_{name}")):
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
                fitting.eq(length == self.inputs),
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
            # An inference waits for room only, all others for quiet; to a campaign it gives way.
            joins = is_next & loads & ~self.campaign
            settled = self.quiet & ~blocked & ~joins
            replies = blocked | (settled & kind["answer"])
            executes = (joins & ~self.due & self.room) | (settled & kind["execute"])
            # A repeat of an inference whose answer is still to come is dropped.
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
        # The answer to what is not accepted takes the place of the cached one.
        with m.If(self.act & (self.way_reply | self.way_execute)):
            m.d.sync += cached.eq(accepts)
            with m.If(accepts):
                m.d.sync += latest.eq(sequence)
        return m
