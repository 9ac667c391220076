"""How large the Ethernet core is in ECP5 cells, beside another one's Verilog.

    python benchmarks/ethernet_size.py [VERILOG MODULE]

Ours: RGMII pins, frames, ARP, ICMP, UDP with both checksums, whole datagrams, the
session. To be compared: what LiteEth's generator writes (``python -m liteeth.gen``,
version 2024.12) for ``LiteEthECP5PHYRGMII``, core ``udp``, ``data_width`` 8, and one
raw port of 8 bits.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from amaranth import ClockDomain, ClockSignal, Const, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga import tools
from ndrite.boards.fpga.registry import find_target
from ndrite.boards.fpga.rgmii import Rgmii, eth_domain
from ndrite.boards.netlist import rtlil
from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.hdl.ethernet.ethernet import Ethernet

CELLS = ("LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4", "DP16KD")
IN, OUT = {"rx_ctl": 1, "rx_data": 4}, {"tx_clk": 1, "tx_ctl": 1, "tx_data": 4}
GMII = ("gmii_rx_valid", "gmii_rx", "gmii_rx_error"), ("gmii_tx_valid", "gmii_tx")


class Core(wiring.Component):
    """The Ethernet core to be counted: everything between the pins and a
    device's byte stream."""

    def __init__(self) -> None:
        ports = {name: In(width) for name, width in IN.items()}
        ports |= {name: Out(width) for name, width in OUT.items()}
        ports |= {"core_clk": In(1), "rx_clk": In(1), "stream_valid": Out(1), "stream_data": Out(8)}
        super().__init__({**ports, "answers": In(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains += ClockDomain("sync", reset_less=True)
        m.d.comb += ClockSignal("sync").eq(self.core_clk)
        eth_domain(m, self.rx_clk, Const(0))
        m.submodules.rgmii = pins = Rgmii(receive_delay_ps=2000, transmit_delay_ps=0)
        m.submodules.ethernet = core = Ethernet(Addresses(), second_cycles=100_000_000)
        wiring.connect(m, wiring.flipped(self.answers), core.answers)
        m.d.comb += [getattr(pins, name).eq(getattr(self, name)) for name in IN]
        m.d.comb += [getattr(self, name).eq(getattr(pins, name)) for name in OUT]
        m.d.comb += [getattr(core, name).eq(getattr(pins, name)) for name in GMII[0]]
        m.d.comb += [getattr(pins, name).eq(getattr(core, name)) for name in GMII[1]]
        m.d.comb += [self.stream_valid.eq(core.stream_valid), self.stream_data.eq(core.stream_data)]
        return m


def cells(read: str, top: str, folder: Path) -> dict[str, int]:
    """Synthesise a design, which the Yosys command ``read`` reads in ``folder``, and
    return its numbers of cells."""
    script = f"{read}; synth_ecp5 -abc9 -top {top}; tee -o stat.txt stat"
    tools.run(tools.find("yosys"), ["-q", "-p", script], cwd=folder, log=folder / "yosys.log")
    text = (folder / "stat.txt").read_text()
    found = {name: re.search(rf"^\s*(\d+)\s+{name}$", text, re.M) for name in CELLS}
    return {name: int(match[1]) if match else 0 for name, match in found.items()}


def main(arguments: list[str]) -> None:
    print("| | " + " | ".join(CELLS) + " |")
    print("|---|" + "---:|" * len(CELLS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.il").write_text(rtlil(Core(), find_target("colorlight-i9-udp")))
        rows = {"ours": cells("read_rtlil top.il", "top", folder)}
        if arguments:
            shutil.copy(arguments[0], folder / "other.v")
            rows[arguments[1]] = cells("read_verilog other.v", arguments[1], folder)
    for title, counts in rows.items():
        print(f"| {title} | " + " | ".join(f"{n:,}" for n in counts.values()) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
