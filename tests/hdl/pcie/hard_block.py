"""A PCIe hard block for cocotb: cocotbext-pcie's configuration space and link, raw
TLPs to the gateware."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import cocotb
import numpy as np
from cocotb.queue import Queue
from cocotb.triggers import RisingEdge
from cocotbext.pcie.core import Device, Endpoint
from cocotbext.pcie.core.caps import MsiCapability
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId

from ndrite.emulator.spec.pcie import CLASS_CODE, DEVICE_ID, VENDOR_ID

CONFIG_TYPES = {TlpType.CFG_READ_0, TlpType.CFG_WRITE_0}


def to_beats(tlp: Tlp) -> list[tuple[int, int, int]]:
    """(data, half, last) of a TLP."""
    raw = bytes(tlp.pack_header()) + (bytes(tlp.data) if tlp.has_data() else b"")
    words = [int.from_bytes(raw[i : i + 4], "big") for i in range(0, len(raw), 4)]
    beats = []
    for i in range(0, len(words), 2):
        pair = words[i : i + 2]
        data = pair[0] | (pair[1] << 32 if len(pair) == 2 else 0)
        beats.append((data, int(len(pair) == 1), int(i + 2 >= len(words))))
    return beats


def from_beats(beats: Iterable[tuple[int, int]]) -> Tlp:
    """The TLP of (data, half) beats, checked against its own length field."""
    raw = b""
    for data, half in beats:
        raw += (data & 0xFFFFFFFF).to_bytes(4, "big")
        if not half:
            raw += (data >> 32).to_bytes(4, "big")
    tlp = Tlp.unpack(raw)
    assert tlp.check(), "malformed TLP from the gateware"
    assert tlp.get_size() == len(raw), f"{len(raw)} bytes of {tlp!r}"
    return tlp


class Function(Endpoint):  # type: ignore[misc]
    """The endpoint function: configuration space here, everything else to the gateware."""

    def __init__(self, bar_bytes: int) -> None:
        super().__init__()
        self.vendor_id, self.device_id, self.class_code = VENDOR_ID, DEVICE_ID, CLASS_CODE
        self.pcie_cap.max_payload_size_supported = 5
        self.msi_cap = MsiCapability()
        self.msi_cap.msi_64bit_address_capable = 1
        self.register_capability(self.msi_cap)
        self.configure_bar(0, bar_bytes, ext=True, prefetch=False)
        self.inbound: Queue[Tlp] = Queue()

    async def upstream_recv(self, tlp: Tlp) -> None:
        if tlp.fmt_type in CONFIG_TYPES:
            await super().upstream_recv(tlp)
        else:
            self.inbound.put_nowait(tlp)


Tamper = Callable[[Tlp], list[Tlp]]
"""What becomes of a completion."""


def untouched(tlp: Tlp) -> list[Tlp]:
    """A completion as it is."""
    return [tlp]


def changed(tlp: Tlp, **fields: Any) -> list[Tlp]:
    """A completion with other header fields."""
    other = Tlp(tlp)
    for name, value in fields.items():
        setattr(other, name, value)
    return [other]


def refused(tlp: Tlp, status: CplStatus = CplStatus.UR) -> list[Tlp]:
    """A completion without data."""
    return changed(tlp, fmt_type=TlpType.CPL, status=status, data=bytearray(), length=0)


class HardBlock(Device):  # type: ignore[misc]
    """What stands between a root complex and the gateware's TLP streams (``PcieSimTop`` ports).

    ``stall`` and ``idle`` are the chances per cycle that the transmit side is not ready
    and that the receive side pauses. ``tamper`` may replace each completion by any
    number of others. With ``shuffle``, completions of different tags overtake each
    other. A ``deaf`` one takes no interrupt.
    """

    def __init__(self, dut: Any, bar_bytes: int, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.stall = self.idle = 0.0
        self.shuffle = self.deaf = False
        self.tamper: Tamper = untouched
        self.sent: list[Tlp] = []
        """Every TLP the gateware sent."""
        self.waiting: list[Tlp] = []
        self.under_way: set[int] = set()
        """Tags of reads whose last completion has not been delivered."""
        super().__init__()
        self.function = Function(bar_bytes)
        self.append_function(self.function)
        cocotb.start_soon(self._receive())
        cocotb.start_soon(self._transmit())
        cocotb.start_soon(self._sideband())

    def tamper_once(self, change: Tamper, after: int = 0) -> None:
        """``change`` the completion that comes after so many good ones."""
        left = [after]

        def tamper(tlp: Tlp) -> list[Tlp]:
            left[0] -= 1
            return change(Tlp(tlp)) if left[0] == -1 else [tlp]

        self.tamper = tamper

    async def upstream_recv(self, tlp: Tlp) -> None:
        # The library's own device answers requests that hit no BAR; the
        # gateware shall see them.
        if tlp.fmt_type in CONFIG_TYPES:
            await super().upstream_recv(tlp)
        else:
            await self.function.upstream_recv(tlp)

    def _next(self) -> Tlp | None:
        """The next TLP for the gateware."""
        while not self.function.inbound.empty():
            tlp = self.function.inbound.get_nowait()
            tlp.release_fc()
            kept = self.tamper(tlp) if tlp.is_completion() else [tlp]
            if not kept:
                self.under_way.discard(tlp.tag)
            self.waiting += kept
        if not self.waiting:
            return None
        choice = 0
        if self.shuffle and self.waiting[0].is_completion():
            # Hold some back, so that there is something to overtake; never past the
            # same tag or a request.
            if len(self.waiting) < 4 and self.rng.random() < 0.9:
                return None
            ahead = itertools.takewhile(lambda tlp: tlp.is_completion(), self.waiting)
            tags = [tlp.tag for tlp in ahead]
            heads = [i for i, tag in enumerate(tags) if tag not in tags[:i]]
            choice = int(self.rng.choice(heads))
        return self.waiting.pop(choice)

    async def _receive(self) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        dut.rx_valid.value = 0
        while True:
            tlp = self._next()
            if tlp is None:
                await edge
                continue
            for data, half, last in to_beats(tlp):
                while self.rng.random() < self.idle:
                    dut.rx_valid.value = 0
                    await edge
                dut.rx_valid.value = 1
                dut.rx_data.value, dut.rx_half.value, dut.rx_last.value = data, half, last
                await edge
                while not int(dut.rx_ready.value):
                    await edge
            dut.rx_valid.value = 0
            if tlp.is_completion() and (not tlp.has_data() or tlp.byte_count <= len(tlp.data) + 3):
                self.under_way.discard(tlp.tag)

    async def _transmit(self) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        beats: list[tuple[int, int]] = []
        while True:
            ready = int(self.rng.random() >= self.stall)
            dut.tx_ready.value = ready
            await edge
            if not ready or not int(dut.tx_valid.value):
                continue
            beats.append((int(dut.tx_data.value), int(dut.tx_half.value)))
            if int(dut.tx_last.value):
                tlp = from_beats(beats)
                beats = []
                self.sent.append(tlp)
                self._check(tlp)
                await self.function.send(tlp)

    def _check(self, tlp: Tlp) -> None:
        """Rules every TLP of an endpoint obeys that the library does not look at."""
        cap = self.function.pcie_cap
        if tlp.is_completion():
            assert tlp.completer_id == self.function.pcie_id
            size, most = len(tlp.data), 128 << cap.max_payload_size
            assert size <= most, f"completion of {size} bytes; max payload {most}"
            return
        assert tlp.requester_id == self.function.pcie_id
        assert (tlp.address >> 32 != 0) == (tlp.fmt & 1), f"{tlp!r}: address and header format disagree"
        assert tlp.first_be, f"{tlp!r}: no byte enabled"
        assert bool(tlp.last_be) == (tlp.length > 1), f"{tlp!r}: last byte enables"
        code = cap.max_payload_size if tlp.has_data() else cap.max_read_request_size
        assert 4 * tlp.length <= 128 << code, f"{tlp!r}: longer than {128 << code} bytes"
        if not tlp.has_data():
            assert tlp.tag < 32, "extended tags are not enabled"
            assert tlp.tag not in self.under_way, f"{tlp!r}: its tag is in use"
            self.under_way.add(tlp.tag)

    async def _sideband(self) -> None:
        """Configuration to the gateware, and its interrupt request to an MSI."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        while True:
            function = self.function
            dut.requester_id.value = int(PcieId(function.pcie_id))
            dut.max_payload.value = function.pcie_cap.max_payload_size
            dut.max_read.value = function.pcie_cap.max_read_request_size
            dut.bus_master.value = int(function.bus_master_enable)
            dut.msi_enable.value = int(function.msi_cap.msi_enable)
            dut.msi_taken.value = 0
            await edge
            if not self.deaf and int(dut.msi.value) and function.msi_cap.msi_enable:
                await function.msi_cap.issue_msi_interrupt()
                dut.msi_taken.value = 1
                await edge
                dut.msi_taken.value = 0
                await edge
