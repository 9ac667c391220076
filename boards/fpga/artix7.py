"""Cards with an XC7A200T in a PCIe slot: SQRL Acorn CLE-215+ and RHS NiteFury II, pin
for pin the same.

The hard block, its transceiver and their clocks are ``pcie_7x``, a module that its
user brings (by regymm, CERN-OHL-P: https://github.com/regymm/pcie_7x); this is its
instance, and the endpoint behind it. Nobody has tried the two together: nothing here
was placed, routed or run.
"""

from amaranth import Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga.pcie_target import PcieTarget
from ndrite.emulator.spec.pcie import CLASS_CODE, DEVICE_ID, VENDOR_ID, bar_bytes
from ndrite.hdl.pcie.endpoint import Endpoint
from ndrite.hdl.pcie.user_side import READ_BYTES, READS, USER_SIDE, Adapter, clocked

WRAPPER = "pcie_7x"
OSCILLATOR_MHZ = 1000
"""Oscillator frequency of the PLL that makes the array's clock; 800 to 1600 MHz are allowed."""
PADS = {"pci_exp_txp": Out(1), "pci_exp_txn": Out(1), "pci_exp_rxp": In(1), "pci_exp_rxn": In(1)}
"""Ports of the wrapper that are pins of the transceiver."""
OTHERS = {
    "user_clk_out": Out(1),
    "sys_clk": In(1),
    "sys_rst_n": In(1),
    "pipe_mmcm_rst_n": In(1),
    "cfg_pm_halt_aspm_l0s": In(1),
    "cfg_pm_halt_aspm_l1": In(1),
    "cfg_pm_force_state_en": In(1),
    "cfg_pm_force_state": In(2),
    "cfg_dsn": In(64),
    "cfg_pm_wake": In(1),
}
"""The wrapper's ports other than ``USER_SIDE`` and the pins, with directions as
seen by the wrapper."""
PARAMETERS = ("CFG_VEND_ID", "CFG_DEV_ID", "CLASS_CODE", "BAR0", "BAR1")


class Artix7Top(wiring.Component):
    """Top component of a PCIe card, with one port per pin: the endpoint, ``Adapter``
    and the wrapper of the hard block.

    The array's clock comes from the block's through a PLL. While that is not locked,
    the link counts as down.
    """

    def __init__(self, board: PcieTarget, *, build_id: int) -> None:
        self.board, self.build_id = board, build_id
        super().__init__(
            PADS
            | {"sys_clk_p": In(1), "sys_clk_n": In(1), "sys_rst_n": In(1)}
            | {"clkreq_n": Out(1), "link_led": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        board = self.board
        user_clock, array_clock, reference = Signal(), Signal(), Signal()
        m.submodules.endpoint = endpoint = Endpoint(
            board.geometry, build_id=self.build_id, tags=READS, slot_bytes=READ_BYTES
        )
        m.submodules.adapter = adapter = Adapter()
        clocked(m, adapter, user_clock=user_clock, array_clock=array_clock)
        wiring.connect(m, endpoint.link, adapter.link)
        m.submodules.reference = Instance(
            "IBUFDS_GTE2", i_I=self.sys_clk_p, i_IB=self.sys_clk_n, i_CEB=Const(0), o_O=reference
        )
        locked = self._pll(m, user_clock, array_clock)
        block, link_up = adapter.block, Signal()
        # BAR0 is a 64-bit BAR that is not prefetchable.
        size = bar_bytes(board.geometry)
        parameters = (VENDOR_ID, DEVICE_ID, CLASS_CODE, (1 << 32) - size | 0b100, (1 << 32) - 1)
        widths = (16, 16, 24, 32, 32)
        m.submodules[WRAPPER] = Instance(
            WRAPPER,
            **{
                f"p_{name}": Const(value, width)
                for name, value, width in zip(PARAMETERS, parameters, widths, strict=True)
            },
            **{
                f"{'o' if member.flow == In else 'i'}_{name}": getattr(block, name)
                for name, member in USER_SIDE.members.items()
                if name != "user_lnk_up"
            },
            **{
                f"{'o' if pin.flow == Out else 'i'}_{name}": getattr(self, name) for name, pin in PADS.items()
            },
            **{
                f"i_{name}": Const(0, member.shape)
                for name, member in OTHERS.items()
                if name.startswith("cfg_")
            },
            i_pipe_mmcm_rst_n=Const(1),
            i_sys_clk=reference,
            i_sys_rst_n=self.sys_rst_n,
            o_user_clk_out=user_clock,
            o_user_lnk_up=link_up,
        )
        m.d.comb += [block.user_lnk_up.eq(link_up & locked), self.link_led.eq(link_up)]
        return m

    def _pll(self, m: Module, user_clock: Signal, array_clock: Signal) -> Signal:
        """Generate the array's clock from the hard block's user clock; return a signal
        in domain ``pcie`` that says whether the array's clock runs."""
        board = self.board
        feedback, made, locked, late = Signal(), Signal(), Signal(), Signal()
        m.submodules.pll = Instance(
            "PLLE2_ADV",
            p_CLKIN1_PERIOD=1000 / board.user_mhz,
            p_DIVCLK_DIVIDE=1,
            p_CLKFBOUT_MULT=round(OSCILLATOR_MHZ / board.user_mhz),
            p_CLKOUT0_DIVIDE=round(OSCILLATOR_MHZ / board.clock_mhz),
            i_CLKIN1=user_clock,
            i_CLKINSEL=Const(1),
            i_CLKFBIN=feedback,
            i_PWRDWN=Const(0),
            i_RST=Const(0),
            o_CLKFBOUT=feedback,
            o_CLKOUT0=made,
            o_LOCKED=locked,
        )
        m.submodules.array_buffer = Instance("BUFG", i_I=made, o_O=array_clock)
        m.submodules.locked = FFSynchronizer(locked, late, o_domain="pcie")
        return late


def stub() -> str:
    """Return a Verilog module with the ports of the hard block's wrapper and no
    contents, for synthesis without the wrapper."""
    lines = ["(* blackbox *)", f"module {WRAPPER} #("]
    lines.append(",\n".join(f"  parameter {name} = 0" for name in PARAMETERS))
    lines.append(") (")
    ports = [(name, member.flow == In, member.shape) for name, member in USER_SIDE.members.items()]
    ports += [(name, member.flow == Out, member.shape) for name, member in (OTHERS | PADS).items()]
    lines.append(
        ",\n".join(
            f"  {'(* iopad_external_pin *) ' * (name in PADS)}{'output' if out else 'input'} "
            f"[{width - 1}:0] {name}"
            for name, out, width in ports
        )
    )
    return "\n".join([*lines, ");", "endmodule"]) + "\n"


TARGETS = (
    PcieTarget(
        name="pcie-artix7",
        device="xc7a200t",
        package="fbg484",
        speed="2",
        clock_mhz=100,
        user_mhz=62.5,
        pins=(
            ("sys_clk_p", "F6", ""),
            ("sys_clk_n", "E6", ""),
            ("pci_exp_rxp", "B10", ""),
            ("pci_exp_rxn", "A10", ""),
            ("pci_exp_txp", "B6", ""),
            ("pci_exp_txn", "A6", ""),
            ("sys_rst_n", "J1", "LVCMOS33"),
            ("clkreq_n", "G1", "LVCMOS33"),
            ("link_led", "G3", "LVCMOS33"),
        ),
        pins_from="amaranth_boards.nitefury; litex_boards.platforms.sqrl_acorn",
    ),
)
