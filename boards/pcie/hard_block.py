"""hard_block: the PCIE_2_1 block of 7-series chips behind the endpoint's TLP streams, one lane.

Sources: port and parameter names from the cell library that Yosys ships; meanings from Xilinx PG054 (7 Series
Integrated Block for PCI Express). Nothing here has met the silicon or a model of it.
"""

from __future__ import annotations

from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, Signature

from boards.pcie.ties import ties
from emulator.spec.geometry import Geometry
from emulator.spec.pcie import DEVICE_ID, VENDOR_ID, bar_bytes
from hdl.pcie.signature import TlpSignature

BUFFER_WORDS = 1024
"""Rows of each packet buffer; a row is a beat of eight bytes with its flags."""
RX_BITS, TX_BITS = 68, 69
ADDRESS_BITS = 13
MAX_PAYLOAD_CODE = 0
"""128 bytes: the buffers below hold enough packets of them."""
TX_PACKETS = 24
"""Packets the transmit buffer holds: BUFFER_WORDS / 24 rows each is more."""
CREDITS = {"PH": 16, "PD": 96, "NPH": 12, "NPD": 12, "CH": 36, "CD": 288}
"""Receive buffer of BUFFER_WORDS rows of 8 bytes, in headers and 16-byte units; completions, whose credits an
endpoint may declare infinite, need room for what the reader has under way."""


class PipeSignature(Signature):
    """One lane of the PIPE interface, and what all lanes share, as the hard block sees it."""

    def __init__(self) -> None:
        receive = {"data": 16, "charisk": 2, "valid": 1, "status": 3, "elecidle": 1, "phystatus": 1}
        send = {"data": 16, "charisk": 2, "compliance": 1, "elecidle": 1, "powerdown": 2}
        shared = {"deemph": 1, "rate": 1, "rcvrdet": 1, "reset": 1, "margin": 3}
        super().__init__(
            {f"rx_{name}": In(width) for name, width in receive.items()}
            | {"rx_aligned": In(1), "rx_polarity": Out(1)}
            | {f"tx_{name}": Out(width) for name, width in (send | shared).items()}
        )


class HardBlock(wiring.Component):
    """PCIE_2_1 with its packet buffers: ``link`` to the endpoint, ``pipe`` to a transceiver.

    A beat's first double word is the upper half on the block's 64-bit interface. ``sync`` is the user clock,
    ``pipe`` the clock of the PIPE interface. The card's bus and device numbers are those of the latest
    configuration write, which the block shows on CFGMSGDATA while no message is received.

    Resources: one PCIE_2_1, four RAMB36E1.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.bar = bar_bytes(geometry)
        super().__init__({"link": In(TlpSignature()), "pipe": Out(PipeSignature()), "up": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, Any] = ties() | self._parameters()
        ports |= self._transmit(m) | self._receive(m) | self._configuration(m)
        ports |= self._buffer(m, "RX", RX_BITS) | self._buffer(m, "TX", TX_BITS) | self._pipe()
        ports |= {
            "i_SYSRSTN": ~ResetSignal(),
            "i_USERCLK": ClockSignal(),
            "i_USERCLK2": ClockSignal(),
            "i_PIPECLK": ClockSignal("pipe"),
            "o_TRNLNKUP": self.up,
        }
        m.submodules.block = Instance("PCIE_2_1", **ports)
        return m

    def _parameters(self) -> dict[str, Any]:
        base_address = (~(self.bar - 1) & 0xFFFFFFF0) | 0b100  # memory, 64 bit
        credits = {f"p_VC0_TOTAL_CREDITS_{name}": value for name, value in CREDITS.items()}
        return credits | {
            "p_BAR0": Const(base_address, 32),
            "p_BAR1": Const(0xFFFFFFFF, 32),
            "p_BAR2": Const(0, 32),
            "p_BAR3": Const(0, 32),
            "p_EXPANSION_ROM": Const(0, 32),
            "p_CLASS_CODE": Const(0x120000, 24),  # processing accelerator
            "p_DEV_CAP_MAX_PAYLOAD_SUPPORTED": MAX_PAYLOAD_CODE,
            "p_DEV_CAP_EXT_TAG_SUPPORTED": "FALSE",
            "p_LINK_CAP_MAX_LINK_SPEED": Const(2, 4),
            "p_LINK_CAP_MAX_LINK_WIDTH": Const(1, 6),
            "p_LTSSM_MAX_LINK_WIDTH": Const(1, 6),
            "p_MSI_CAP_ON": "TRUE",
            "p_MSI_CAP_PER_VECTOR_MASKING_CAPABLE": "FALSE",
            "p_INTERRUPT_PIN": Const(0, 8),
            "p_CMD_INTX_IMPLEMENTED": "FALSE",
            "p_USER_CLK_FREQ": 1,  # 62.5 MHz, 64 bit
            "p_TRN_DW": "FALSE",
            "p_VC0_RX_RAM_LIMIT": Const(BUFFER_WORDS - 1, 13),
            "p_VC0_TX_LASTPACKET": TX_PACKETS - 1,
            "p_UPSTREAM_FACING": "TRUE",
        }

    def _transmit(self, m: Module) -> dict[str, Any]:
        tx = self.link.tx
        first, ready = Signal(init=1), Signal(4)
        m.d.comb += tx.ready.eq(ready[0])
        with m.If(tx.valid & tx.ready):
            m.d.sync += first.eq(tx.payload.last)
        return {
            "i_TRNTD": Cat(tx.payload.data[32:], tx.payload.data[:32], Const(0, 64)),
            "i_TRNTREM": Cat(~tx.payload.half, Const(0, 1)),
            "i_TRNTSOF": first,
            "i_TRNTEOF": tx.payload.last,
            "i_TRNTSRCRDY": tx.valid,
            "o_TRNTDSTRDY": ready,
        }

    def _receive(self, m: Module) -> dict[str, Any]:
        rx = self.link.rx
        data, remainder = Signal(128), Signal(2)
        m.d.comb += [
            rx.payload.data.eq(Cat(data[32:64], data[:32])),
            rx.payload.half.eq(rx.payload.last & ~remainder[0]),
        ]
        return {
            "o_TRNRD": data,
            "o_TRNRREM": remainder,
            "o_TRNREOF": rx.payload.last,
            "o_TRNRSRCRDY": rx.valid,
            "i_TRNRDSTRDY": rx.ready,
        }

    def _configuration(self, m: Module) -> dict[str, Any]:
        link = self.link
        message, received = Signal(16), Signal()
        with m.If(~received):
            m.d.sync += link.config.requester_id.eq(message)
        taken = Signal()
        m.d.comb += link.interrupt_taken.eq(link.interrupt & ~taken)
        return {
            "i_CFGVENDID": Const(VENDOR_ID, 16),
            "i_CFGDEVID": Const(DEVICE_ID, 16),
            "o_CFGMSGDATA": message,
            "o_CFGMSGRECEIVED": received,
            "o_CFGDEVCONTROLMAXPAYLOAD": link.config.max_payload,
            "o_CFGDEVCONTROLMAXREADREQ": link.config.max_read,
            "o_CFGCOMMANDBUSMASTERENABLE": link.config.bus_master,
            "o_CFGINTERRUPTMSIENABLE": link.config.msi_enable,
            "i_CFGINTERRUPTN": ~link.interrupt,
            "o_CFGINTERRUPTRDYN": taken,
        }

    def _buffer(self, m: Module, name: str, width: int) -> dict[str, Any]:
        """A packet buffer: read two clocks after its address (RDATA_LATENCY 2), written at once."""
        memory = Memory(shape=width, depth=BUFFER_WORDS, init=[])
        m.submodules[f"buffer_{name.lower()}"] = memory
        write, read = memory.write_port(), memory.read_port()
        write_address, read_address = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
        data = Signal(width)
        m.d.comb += [write.addr.eq(write_address), read.addr.eq(read_address)]
        m.d.sync += data.eq(read.data)
        return {
            f"o_MIM{name}WADDR": write_address,
            f"o_MIM{name}WDATA": write.data,
            f"o_MIM{name}WEN": write.en,
            f"o_MIM{name}RADDR": read_address,
            f"o_MIM{name}REN": read.en,
            f"i_MIM{name}RDATA": data,
        }

    def _pipe(self) -> dict[str, Any]:
        pipe = self.pipe
        names = {"data": "DATA", "charisk": "CHARISK", "elecidle": "ELECIDLE"}
        receive = names | {"valid": "VALID", "status": "STATUS", "phystatus": "PHYSTATUS"}
        receive |= {"aligned": "CHANISALIGNED"}
        send = names | {"compliance": "COMPLIANCE", "powerdown": "POWERDOWN"}
        ports = {f"i_PIPERX0{cell}": getattr(pipe, f"rx_{name}") for name, cell in receive.items()}
        ports |= {f"o_PIPETX0{cell}": getattr(pipe, f"tx_{name}") for name, cell in send.items()}
        shared = ("deemph", "rate", "rcvrdet", "reset", "margin")
        ports |= {f"o_PIPETX{name.upper()}": getattr(pipe, f"tx_{name}") for name in shared}
        return ports | {"o_PIPERX0POLARITY": pipe.rx_polarity}
