"""pcie_block: a model of the user side of a 7-series PCIe hard block, and top
components that connect a design through it.

Ports and rules are those of Xilinx PG054 (64-bit interface) as open cores use them
(litepcie, pcie_7x). A rule that the design breaks silences the model for good, so that
every test notices; ``broken`` says which (``RULES``)."""

from amaranth import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Module,
    Mux,
    ResetInserter,
    ResetSignal,
    Signal,
)
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec import Geometry
from ndrite.hdl.pcie.endpoint import CONFIG, PcieSimTop, plain_ports
from ndrite.hdl.pcie.signature import BEAT_LAYOUT, TYPE_COMPLETION
from ndrite.hdl.pcie.user_side import START, USER_SIDE, Adapter, clocked

BUFFERS = 32
"""Number of transmit buffers, one for each packet; a packet may begin while two are free."""
HEADERS, DATA = 36, 461
"""Size of the receive buffer: number of completions, and of units of 16 bytes of their data."""
BEATS = 1024
UP_CYCLES = 12
"""Cycles from the end of a link failure until ``user_lnk_up`` rises."""
RULES = ("handshake", "keep", "length", "discontinue", "completions", "interrupt")


class Block(wiring.Component):
    """Model of a 7-series PCIe hard block, in clock domain ``block``. On one side it
    connects to packets, configuration and interrupts of a root complex (with the
    ports of ``PcieSimTop`` in reversed direction), on the other side it has the
    ports ``USER_SIDE``.

    Packets are stored and forwarded in both directions. With ``throttle``, ``tready``
    and ``tvalid`` pause at random, between packets and within them. ``hot_reset`` and
    ``link_down`` lose every packet stored here; only ``hot_reset`` raises
    ``user_reset_out``. A packet that is being delivered to the design then ends at
    once, or with a beat of garbage once the link is up again. A packet that is being
    received from the design is discarded up to its ``tlast``, which may come after the
    link is up again.
    """

    def __init__(self, *, throttle: bool) -> None:
        self.throttle = throttle
        super().__init__(
            plain_ports()
            | {"user": In(USER_SIDE), "hot_reset": In(1), "link_down": In(1), "broken": Out(len(RULES))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        user = self.user
        lost, up = Signal(), Signal()
        waiting = Signal(range(UP_CYCLES + 1), init=UP_CYCLES)
        noise = Signal(32, init=0x1234567)
        m.d.block += noise.eq(Cat(noise[1:], noise[0] ^ noise[10] ^ noise[30] ^ noise[31]))
        self._noise = noise
        self._broken = [Signal(name=f"broken_{rule}") for rule in RULES]
        mute = self.broken.any()
        for i, breach in enumerate(self._broken):
            with m.If(breach):
                m.d.block += self.broken[i].eq(1)
        m.d.comb += [
            lost.eq(self.hot_reset | self.link_down | ResetSignal("block")),
            up.eq((waiting == 0) & ~lost & ~mute),
            user.user_lnk_up.eq(up),
            user.user_reset_out.eq(self.hot_reset | ResetSignal("block")),
            user.cfg_command.eq(Cat(Const(0b10, 2), self.bus_master)),
            user.cfg_dcommand.eq(Cat(Const(0, 5), self.max_payload, Const(0, 4), self.max_read)),
            Cat(user.cfg_function_number, user.cfg_device_number, user.cfg_bus_number).eq(self.requester_id),
            user.cfg_interrupt_msienable.eq(self.msi_enable),
        ]
        with m.If(lost):
            m.d.block += waiting.eq(UP_CYCLES)
        with m.Elif(waiting != 0):
            m.d.block += waiting.eq(waiting - 1)
        self._to_design(m, lost, up)
        self._from_design(m, lost, up)
        return m

    def _sometimes(self, bit: int) -> Value:
        """Return a signal that is high in about three of four cycles at random, or
        always if ``throttle`` is off."""
        return self._noise[bit] | self._noise[bit + 3] if self.throttle else Const(1)

    def _store(self, m: Module, name: str, lost: Value) -> tuple[SyncFIFOBuffered, Signal]:
        """Build a memory of packets; return the memory and the number of complete
        packets that it stores."""
        fifo = SyncFIFOBuffered(width=BEAT_LAYOUT.size, depth=BEATS)
        m.submodules[name] = DomainRenamer("block")(ResetInserter(lost)(fifo))
        whole = Signal(range(BEATS + 1), name=f"{name}_whole")
        added = fifo.w_en & fifo.w_rdy & fifo.w_data[-1]
        gone = fifo.r_en & fifo.r_rdy & fifo.r_data[-1]
        m.d.block += whole.eq(Mux(lost, 0, whole + added - gone))
        return fifo, whole

    def _to_design(self, m: Module, lost: Value, up: Value) -> None:
        user = self.user
        fifo, whole = self._store(m, "incoming", lost)
        shown, inside, ends = Signal(), Signal(), Signal()
        beat = Signal(BEAT_LAYOUT)
        m.d.comb += [
            self.rx_ready.eq(up & fifo.w_rdy),
            fifo.w_en.eq(self.rx_valid & self.rx_ready),
            fifo.w_data.eq(Cat(self.rx_data, self.rx_half, self.rx_last)),
            beat.eq(fifo.r_data),
            user.m_axis_rx_tvalid.eq(
                (ends & up) | (up & fifo.r_rdy & (whole != 0) & (shown | self._sometimes(4)))
            ),
            user.m_axis_rx_tdata.eq(Cat(beat.data[:32], Mux(beat.half | ends, self._noise, beat.data[32:]))),
            user.m_axis_rx_tkeep.eq(Mux(beat.half, 0x0F, 0xFF)),
            user.m_axis_rx_tlast.eq(beat.last | ends),
            user.m_axis_rx_tuser[START].eq(~inside & ~ends),
            fifo.r_en.eq(user.m_axis_rx_tvalid & user.m_axis_rx_tready & ~ends),
        ]
        m.d.block += shown.eq(up & user.m_axis_rx_tvalid & ~user.m_axis_rx_tready)
        with m.If(lost):
            m.d.block += [inside.eq(0), ends.eq(~user.user_reset_out & (ends | (inside & self._noise[0])))]
        with m.Elif(user.m_axis_rx_tvalid & user.m_axis_rx_tready):
            m.d.block += [inside.eq(~user.m_axis_rx_tlast & ~ends), ends.eq(0)]

        # Completions in the receive buffer: the number of headers, and of data
        # units of 16 bytes.
        headers, data = Signal(range(BEATS + 1)), Signal(range(4 * BEATS))
        written = Signal()
        arrival, departure = fifo.w_en & ~written, fifo.r_en & ~inside
        with m.If(fifo.w_en):
            m.d.block += written.eq(~self.rx_last)
        kinds = [(arrival, self.rx_data), (departure, beat.data)]
        counts = [Signal(11, name=f"units_{i}") for i in range(2)]
        flags = [Signal(name=f"completion_{i}") for i in range(2)]
        for count, flag, (event, head) in zip(counts, flags, kinds, strict=True):
            m.d.comb += [
                flag.eq(event & (head[25:29] == TYPE_COMPLETION >> 1)),
                count.eq(Mux(flag & head[30], (head[:10] + 3) >> 2, 0)),
            ]
        with m.If(lost):
            m.d.block += [headers.eq(0), data.eq(0), written.eq(0)]
        with m.Else():
            m.d.block += [headers.eq(headers + flags[0] - flags[1]), data.eq(data + counts[0] - counts[1])]
        m.d.comb += self._broken[RULES.index("completions")].eq((headers > HEADERS) | (data > DATA))

    def _from_design(self, m: Module, lost: Value, up: Value) -> None:
        user = self.user
        fifo, whole = self._store(m, "outgoing", lost)
        broken = dict(zip(RULES, self._broken, strict=True))
        inside, flush = Signal(), Signal()
        taken, kept = Signal(), Signal()
        last, half = user.s_axis_tx_tlast, ~user.s_axis_tx_tkeep[4]
        free = BUFFERS - whole
        m.d.comb += [
            user.tx_buf_av.eq(free),
            user.s_axis_tx_tready.eq(
                up & (flush | (fifo.w_rdy & (inside | (free > 1)))) & (self._sometimes(9) | flush)
            ),
            taken.eq(user.s_axis_tx_tvalid & user.s_axis_tx_tready),
            kept.eq(taken & ~flush),
            fifo.w_en.eq(kept),
            fifo.w_data.eq(Cat(user.s_axis_tx_tdata, half, last)),
            self.tx_valid.eq(up & fifo.r_rdy & (whole != 0)),
            Cat(self.tx_data, self.tx_half, self.tx_last).eq(fifo.r_data),
            fifo.r_en.eq(self.tx_valid & self.tx_ready),
        ]
        with m.If(user.user_reset_out):
            m.d.block += [inside.eq(0), flush.eq(0)]
        with m.Elif(lost):
            m.d.block += flush.eq(flush | inside)
        with m.Elif(taken):
            m.d.block += [inside.eq(~last), flush.eq(flush & ~last)]

        offered, earlier, told = Signal(), Signal(64 + 8 + 1), Signal(12)
        wires = Cat(user.s_axis_tx_tdata, user.s_axis_tx_tkeep, last)
        m.d.block += [offered.eq(up & user.s_axis_tx_tvalid & ~user.s_axis_tx_tready), earlier.eq(wires)]
        # How many double words the packet still has to send according to its header,
        # including the present beat.
        head = user.s_axis_tx_tdata
        length = Mux(head[:10] == 0, 1024, head[:10])
        left = Signal(12)
        m.d.comb += left.eq(Mux(inside, told, 3 + head[29] + Mux(head[30], length, 0)))
        with m.If(taken):
            m.d.block += told.eq(left - 2)
        m.d.comb += [
            broken["handshake"].eq(up & offered & (~user.s_axis_tx_tvalid | (wires != earlier))),
            broken["keep"].eq(
                kept & (user.s_axis_tx_tkeep != 0xFF) & ~(last & (user.s_axis_tx_tkeep == 0x0F))
            ),
            broken["length"].eq(kept & ((last != (left <= 2)) | (last & (half != (left == 1))))),
            broken["discontinue"].eq(taken & (user.s_axis_tx_tuser != 0) & ~(flush & last)),
        ]
        self._interrupt(m, fifo, whole, up, broken["interrupt"])

    def _interrupt(self, m: Module, fifo: SyncFIFOBuffered, whole: Value, up: Value, broken: Signal) -> None:
        """Send an MSI after all packets that were stored before the MSI was requested."""
        user = self.user
        ahead, asked, earlier = Signal.like(whole), Signal(), Signal()
        gone = fifo.r_en & fifo.r_data[-1]
        m.d.comb += [
            self.msi.eq(up & asked & (ahead == 0) & ~self.msi_taken),
            user.cfg_interrupt_rdy.eq(asked & self.msi_taken),
            broken.eq(up & earlier & ~user.cfg_interrupt),
        ]
        m.d.block += earlier.eq(up & user.cfg_interrupt & ~user.cfg_interrupt_rdy)
        with m.If(~up | user.cfg_interrupt_rdy):
            m.d.block += asked.eq(0)
        with m.Elif(asked):
            m.d.block += ahead.eq(ahead - (gone & (ahead != 0)))
        with m.Elif(user.cfg_interrupt):
            m.d.block += [asked.eq(1), ahead.eq(whole - gone)]


def _ports(component: wiring.Component) -> dict[str, Value]:
    """Return the signals of a component's plain ports by name."""
    return {path[0]: port for path, _, port in component.signature.flatten(component) if len(path) == 1}


class BehindBlock(wiring.Component):
    """The design ``inner`` (with the ports of ``PcieSimTop``), connected to the root
    complex through ``Adapter`` and the model ``Block`` of the hard block.

    Its other ports stay ports. ``clk`` is the block's clock and ``array_clk`` that of
    ``inner``; without ``own_clock`` both are ``clk``.
    """

    def __init__(self, inner: wiring.Component, *, throttle: bool, own_clock: bool) -> None:
        self.inner, self.throttle, self.own_clock = inner, throttle, own_clock
        wires = dict.fromkeys(("clk", "rst", "hot_reset", "link_down"), In(1))
        wires |= {"array_clk": In(1)} if own_clock else {}
        super().__init__(dict(inner.signature.members) | wires | {"broken": Out(len(RULES))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.block = ClockDomain("block")
        m.submodules.adapter = adapter = Adapter()
        m.submodules.block = block = Block(throttle=self.throttle)
        m.submodules.inner = inner = self.inner
        array_clock = self.array_clk if self.own_clock else self.clk
        clocked(m, adapter, user_clock=self.clk, array_clock=array_clock)
        wiring.connect(m, adapter.block, block.user)
        m.d.comb += [
            ClockSignal("block").eq(self.clk),
            ResetSignal("block").eq(self.rst),
            block.hot_reset.eq(self.hot_reset),
            block.link_down.eq(self.link_down),
            self.broken.eq(block.broken),
        ]
        of_self, of_inner, of_block = (_ports(component) for component in (self, inner, block))
        outer = set(plain_ports())
        for name, member in inner.signature.members.items():
            source, target = (of_self, of_inner) if member.flow == In else (of_inner, of_self)
            if name not in outer:
                m.d.comb += target[name].eq(source[name])
        for name, member in plain_ports().items():
            source, target = (of_self, of_block) if member.flow == In else (of_block, of_self)
            m.d.comb += target[name].eq(source[name])
        link = adapter.link
        for name in BEAT_LAYOUT.members:
            m.d.comb += [
                of_inner[f"rx_{name}"].eq(link.rx.payload[name]),
                link.tx.payload[name].eq(of_inner[f"tx_{name}"]),
            ]
        m.d.comb += [
            *(of_inner[name].eq(link.config[name]) for name in CONFIG),
            inner.rx_valid.eq(link.rx.valid),
            link.rx.ready.eq(inner.rx_ready),
            link.tx.valid.eq(inner.tx_valid),
            inner.tx_ready.eq(link.tx.ready),
            link.interrupt.eq(inner.msi),
            inner.msi_taken.eq(link.interrupt_taken),
        ]
        return m


def behind_block(geometry: Geometry, *, build_id: int, throttle: bool, **how: int) -> BehindBlock:
    """Return the endpoint, connected through ``Adapter`` and the model of the
    hard block, with the array in its own clock domain. ``how`` are further
    arguments of ``PcieSimTop``."""
    return BehindBlock(PcieSimTop(geometry, build_id=build_id, **how), throttle=throttle, own_clock=True)
