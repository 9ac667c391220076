"""user_side: connects the endpoint's TLP streams to the user side of a 7-series PCIe
hard block, across two clocks."""

from amaranth import Cat, ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer, ResetSynchronizer
from amaranth.lib.data import StructLayout
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

from ndrite.hdl.pcie.signature import BEAT_LAYOUT, CONFIG_LAYOUT, TLP_SIGNATURE

READS, READ_BYTES = 4, 512
"""Reads under way, and the bytes of each, that the block's receive buffer holds
whatever the host does.

An endpoint advertises infinite completion credits, so nothing but the number of its
reads keeps the buffer from overflowing. A read of 512 bytes that ends at no boundary
of 64 is answered by up to 9 completions and 33 units of 16 bytes: 4 reads need 36
headers and 132 units, of 36 and 461 that the block has by default
(``VC0_TOTAL_CREDITS_CH``, ``_CD``)."""
HOLD_CYCLES, SETTLE_CYCLES = 64, 16
"""Cycles of the block's clock that a reset lasts in both domains, and cycles after it
until the streams open. Meanwhile the FIFOs' own resets cross to both sides, provided
that the array's clock is above a quarter of the block's."""
FIFO_BEATS = 32
DISCONTINUE = 3
"""Bit of ``s_axis_tx_tuser`` that says that the packet is to be dropped."""
START = 14
"""Bit of ``m_axis_rx_tuser`` that marks a packet's first beat; wrappers with 64
bits may leave it 0."""
USER_SIDE = wiring.Signature(
    {
        "user_reset_out": In(1),
        "user_lnk_up": In(1),
        "s_axis_tx_tdata": Out(64),
        "s_axis_tx_tkeep": Out(8),
        "s_axis_tx_tlast": Out(1),
        "s_axis_tx_tvalid": Out(1),
        "s_axis_tx_tuser": Out(4),
        "s_axis_tx_tready": In(1),
        "tx_buf_av": In(6),
        "tx_err_drop": In(1),
        "tx_cfg_gnt": Out(1),
        "m_axis_rx_tdata": In(64),
        "m_axis_rx_tkeep": In(8),
        "m_axis_rx_tlast": In(1),
        "m_axis_rx_tvalid": In(1),
        "m_axis_rx_tuser": In(22),
        "m_axis_rx_tready": Out(1),
        "rx_np_ok": Out(1),
        "rx_np_req": Out(1),
        "cfg_command": In(16),
        "cfg_dcommand": In(16),
        "cfg_bus_number": In(8),
        "cfg_device_number": In(5),
        "cfg_function_number": In(3),
        "cfg_interrupt": Out(1),
        "cfg_interrupt_rdy": In(1),
        "cfg_interrupt_assert": Out(1),
        "cfg_interrupt_di": Out(8),
        "cfg_interrupt_stat": Out(1),
        "cfg_interrupt_msienable": In(1),
        "cfg_pciecap_interrupt_msgnum": Out(5),
        "cfg_to_turnoff": In(1),
        "cfg_turnoff_ok": Out(1),
        "cfg_trn_pending": Out(1),
    }
)
"""Ports of the block as Xilinx PG054 names them (64-bit interface) and litepcie and
pcie_7x use them; directions as the design sees them."""
_ITEM_LAYOUT = StructLayout({"beat": BEAT_LAYOUT, "interrupt": 1})


class Adapter(wiring.Component):
    """Carries TLPs, configuration and interrupts between ``link`` (domain ``sync``, the
    array's clock) and ``block`` (domain ``pcie``, the block's user clock); the two
    clocks need no relation.

    Framing: the block's stream has the double words and bytes in the endpoint's order
    (first double word in bits 31..0, byte 0 of it in bits 31..24), so that ``half`` is
    ``tkeep`` 0x0F and data pass unchanged. Transmit: a packet may pause between beats,
    and the block's ``tready`` alone says whether it has buffers and credits;
    ``tx_buf_av`` and the ``fc_*`` ports are not needed. Receive: non-posted requests
    are never held back; completions are bounded by ``READS``.

    Reset: ``held`` is up for ``HOLD_CYCLES`` after the link was down or reset, or after
    the block dropped a packet (``tx_err_drop``); it resets both domains and with them
    the endpoint, since TLPs are lost then and nothing else would say so. What the block
    delivers while its link is down, and the rest of a packet that began before, is
    dropped; packets that come too early after it wait in the block. A packet that was
    cut on its way out is ended with the discontinue bit, because the block discards all
    beats up to the next ``tlast``, those of the next packet too.

    Interrupts: a rising ``interrupt`` is a mark in the transmit FIFO, so every beat
    sent before it is with the block before ``cfg_interrupt`` rises. The answer
    returns as a toggle.

    Latency: 4 to 6 cycles of the reading clock each way. Throughput: a beat a
    cycle of the slower clock. Resources: two memories of 32 x 67 bits, about 300
    LUTs and 350 flip-flops.
    """

    def __init__(self) -> None:
        super().__init__({"link": In(TLP_SIGNATURE), "block": Out(USER_SIDE), "held": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        block = self.block
        down, settled = self._resets(m)
        self._receive(m, down, settled)
        m.submodules.sent = sent = AsyncFIFO(
            width=_ITEM_LAYOUT.size, depth=FIFO_BEATS, w_domain="sync", r_domain="pcie"
        )
        cut = self._transmit(m, sent, settled)
        self._interrupt(m, sent)
        self._configuration(m)
        m.d.comb += [
            block.tx_cfg_gnt.eq(1),
            block.rx_np_ok.eq(1),
            block.rx_np_req.eq(1),
            block.cfg_turnoff_ok.eq(block.cfg_to_turnoff & ~cut),
        ]
        return m

    def _resets(self, m: Module) -> tuple[Value, Value]:
        """Drive ``held``. Return two signals: packets from the block are being lost;
        the streams are open.

        Registers here outlive the reset that they make.
        """
        block = self.block
        whole = HOLD_CYCLES + SETTLE_CYCLES
        left = Signal(range(whole + 1), init=whole, reset_less=True)
        down = Signal()
        m.d.comb += down.eq(block.user_reset_out | ~block.user_lnk_up | block.tx_err_drop)
        held = Signal(init=1, reset_less=True)
        m.d.pcie += held.eq(down | (left > SETTLE_CYCLES))
        m.d.comb += self.held.eq(held)
        with m.If(down):
            m.d.pcie += left.eq(whole)
        with m.Elif(left != 0):
            m.d.pcie += left.eq(left - 1)
        settled = Signal()
        m.d.comb += settled.eq((left == 0) & ~held)
        return down, settled

    def _receive(self, m: Module, down: Value, settled: Value) -> None:
        block, rx = self.block, self.link.rx
        m.submodules.received = received = AsyncFIFO(
            width=BEAT_LAYOUT.size, depth=FIFO_BEATS, w_domain="pcie", r_domain="sync"
        )
        # ``tail``: the next beat continues a packet; ``passing``: the packet
        # goes to the endpoint.
        tail, passing = Signal(reset_less=True), Signal()
        dropped = Signal()
        m.d.comb += [
            dropped.eq(down | (tail & ~passing & ~block.m_axis_rx_tuser[START])),
            block.m_axis_rx_tready.eq(dropped | (settled & received.w_rdy)),
            received.w_en.eq(block.m_axis_rx_tvalid & settled & ~dropped),
            received.w_data.eq(
                Cat(
                    block.m_axis_rx_tdata,
                    block.m_axis_rx_tlast & ~block.m_axis_rx_tkeep[4],
                    block.m_axis_rx_tlast,
                )
            ),
            rx.valid.eq(received.r_rdy),
            rx.payload.eq(received.r_data),
            received.r_en.eq(rx.ready),
        ]
        with m.If(block.user_reset_out):
            m.d.pcie += tail.eq(0)
        with m.Elif(block.m_axis_rx_tvalid & block.m_axis_rx_tready):
            m.d.pcie += [tail.eq(~block.m_axis_rx_tlast), passing.eq(~dropped & ~block.m_axis_rx_tlast)]

    def _transmit(self, m: Module, sent: AsyncFIFO, settled: Value) -> Value:
        """Send beats to the block; return a signal that says that a packet has been
        sent in part and its end has not."""
        block = self.block
        item = Signal(_ITEM_LAYOUT)
        cut, stale = Signal(reset_less=True), Signal(reset_less=True)
        beat = item.beat
        m.d.comb += [
            item.eq(sent.r_data),
            block.s_axis_tx_tvalid.eq(stale | (settled & sent.r_rdy & ~item.interrupt)),
            block.s_axis_tx_tdata.eq(beat.data),
            block.s_axis_tx_tkeep.eq(Mux(stale | (beat.half & beat.last), 0x0F, 0xFF)),
            block.s_axis_tx_tlast.eq(stale | beat.last),
            block.s_axis_tx_tuser[DISCONTINUE].eq(stale),
            sent.r_en.eq(settled & ~stale & (item.interrupt | block.s_axis_tx_tready)),
        ]
        with m.If(block.user_reset_out):
            m.d.pcie += [cut.eq(0), stale.eq(0)]
        with m.Elif(block.s_axis_tx_tvalid & block.s_axis_tx_tready):
            m.d.pcie += [cut.eq(~block.s_axis_tx_tlast), stale.eq(0)]
        with m.Elif(self.held & cut):
            m.d.pcie += stale.eq(1)
        return cut

    def _interrupt(self, m: Module, sent: AsyncFIFO) -> None:
        """Put beats and interrupt marks into the transmit FIFO in order. Pass the marks
        on to ``cfg_interrupt``, and the hard block's answers back."""
        block, link = self.block, self.link
        asked, void, seen, answer = Signal(), Signal(), Signal(), Signal()
        answered, back = Signal(), Signal()
        m.submodules.answer = FFSynchronizer(answer, back, o_domain="sync")
        mark = Signal()
        m.d.comb += [
            mark.eq(link.interrupt & ~asked),
            sent.w_en.eq(mark | link.tx.valid),
            sent.w_data.eq(Cat(link.tx.payload, mark)),
            link.tx.ready.eq(sent.w_rdy & ~mark),
            answered.eq(back != seen),
            # If an interrupt was withdrawn before its answer came, that answer does not
            # count; the next interrupt waits for its own answer.
            link.interrupt_taken.eq(answered & ~void & link.interrupt),
        ]
        m.d.sync += seen.eq(back)
        with m.If(answered):
            m.d.sync += [asked.eq(0), void.eq(0)]
        with m.Elif(mark & sent.w_rdy):
            m.d.sync += asked.eq(1)
        with m.Elif(asked & ~link.interrupt):
            m.d.sync += void.eq(1)

        pending, raised = Signal(), Signal()
        # Once raised, an interrupt request stays up until it is accepted, even if
        # software disables MSI meanwhile.
        m.d.comb += block.cfg_interrupt.eq(raised | (pending & block.cfg_interrupt_msienable))
        m.d.pcie += raised.eq(block.cfg_interrupt & ~block.cfg_interrupt_rdy)
        with m.If(block.cfg_interrupt & block.cfg_interrupt_rdy):
            m.d.pcie += [pending.eq(0), answer.eq(~answer)]
        with m.Elif(sent.r_rdy & sent.r_en & sent.r_data[-1]):
            m.d.pcie += pending.eq(1)

    def _configuration(self, m: Module) -> None:
        """Copy the block's configuration fields when two samples in a row are equal, so
        that no copied field is half changed."""
        block = self.block
        fields, sample, earlier = Signal(CONFIG_LAYOUT), Signal(CONFIG_LAYOUT), Signal(CONFIG_LAYOUT)
        stable, config = Signal(CONFIG_LAYOUT), Signal(CONFIG_LAYOUT)
        m.d.comb += [
            fields.requester_id.eq(
                Cat(block.cfg_function_number, block.cfg_device_number, block.cfg_bus_number)
            ),
            fields.max_payload.eq(block.cfg_dcommand[5:8]),
            fields.max_read.eq(block.cfg_dcommand[12:15]),
            fields.bus_master.eq(block.cfg_command[2]),
            fields.msi_enable.eq(block.cfg_interrupt_msienable),
        ]
        m.d.pcie += stable.eq(fields)
        m.submodules.config = FFSynchronizer(stable.as_value(), sample.as_value(), o_domain="sync")
        m.d.sync += earlier.eq(sample)
        with m.If(sample.as_value() == earlier.as_value()):
            m.d.sync += config.eq(sample)
        m.d.comb += self.link.config.eq(config)


def clocked(m: Module, adapter: Adapter, *, user_clock: Value, array_clock: Value) -> None:
    """Add the clock domains ``pcie`` and ``sync``, both in reset while
    ``adapter.held`` is set."""
    m.domains += [ClockDomain("pcie"), ClockDomain("sync")]
    m.d.comb += [
        ClockSignal("pcie").eq(user_clock),
        ClockSignal("sync").eq(array_clock),
        ResetSignal("pcie").eq(adapter.held),
    ]
    m.submodules.array_reset = ResetSynchronizer(adapter.held, domain="sync")
