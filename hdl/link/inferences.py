"""inferences: what is under way in the core, in which bank, and whose answer is due."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.banks import bank_bits, next_bank
from ndrite.hdl.parts.ports import Ports, Sized


class Inferences(Sized):
    """As many inferences as there are banks, begun, finished and answered in turns of them.

    ``begun`` with its ``number``, ``sparse`` (how its codes came) and ``wrong`` (they are none), ``done`` and
    ``answered`` count; ``answer_number``, ``answer_sparse`` and ``answer_wrong`` are those of the oldest.
    When ``single`` there is ``room`` for one, and with maps for another one that waits for its start. A
    campaign's inferences take their turn too. After ``hung`` every inference under way is ``lost``, due at
    once; when the last of them is answered all begins anew.
    Latency: one cycle.
    Resources: about 30 LUTs and 45 flip-flops with two banks.
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
            # All the while it is offered to the core: its being taken is a late signal.
            with m.If(self.begin & (bank == i)):
                m.d.sync += of_bank.eq(Cat(self.number, self.sparse, self.wrong))
        with m.If(self.lost & self.none):
            m.d.sync += [self.lost.eq(0), bank.eq(0), answer_bank.eq(0), finished.eq(0)]
        with m.If(self.hung):
            m.d.sync += self.lost.eq(1)
        return m
