"""Clock and reset of each family: the PLL, and a reset that is released after
the PLL has locked."""

from amaranth import ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.hdl import Value
from amaranth.lib.cdc import ResetSynchronizer

from ndrite.boards.fpga.target import Target

HOLD_CYCLES = 1 << 10
"""Cycles for which iCE40 and Gowin stay in reset after the PLL has locked: iCE40 block
RAM is not ready for some 3 us."""


def clocking(board: Target, clk: Value, reset: Value) -> Module:
    """Return a module that defines clock domain ``sync`` at ``board.clock_mhz``, made
    from the clock pin ``clk``.

    ``reset`` (active high, asynchronous) resets every register. On ECP5 the domain is
    reset-less and the global set/reset net does it, which costs no routing; elsewhere
    it is an ordinary synchronous reset.
    """
    return {"ecp5": _ecp5, "ice40": _ice40, "gowin": _gowin}[board.family](board, clk, reset)


def _ecp5(board: Target, clk: Value, reset: Value) -> Module:
    m = Module()
    s = board.pll_setting
    assert s is not None
    out, locked = Signal(), Signal()
    m.submodules.pll = Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{board.input_mhz:g}",
        a_FREQUENCY_PIN_CLKOP=f"{s.mhz:g}",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=s.output,
        p_CLKOP_CPHASE=s.output // 2,
        p_CLKOP_FPHASE=0,
        p_CLKI_DIV=s.reference,
        p_CLKFB_DIV=s.feedback,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=clk,
        i_CLKFB=out,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=out,
        o_LOCK=locked,
    )
    m.domains += ClockDomain("sync", reset_less=True)
    m.d.comb += ClockSignal().eq(out)
    ready = [Signal(name=f"ready_{i}") for i in range(2)]
    for i, source in enumerate([locked & ~reset, ready[0]]):
        m.submodules[f"ready_{i}"] = Instance("FD1S3AX", p_GSR="DISABLED", i_CK=out, i_D=source, o_Q=ready[i])
    m.submodules.gsr = Instance("SGSR", i_CLK=out, i_GSR=ready[1])
    return m


def _ice40(board: Target, clk: Value, reset: Value) -> Module:
    s = board.pll_setting
    assert s is not None
    # FILTER_RANGE of the PLL, chosen from the comparator's frequency as icepll chooses it.
    compare = board.input_mhz / s.reference
    filter_range = next(i for i, top in enumerate((17, 26, 44, 66, 101, 134), start=1) if compare < top)
    out, locked = Signal(), Signal()
    instance = Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=Const(s.reference - 1, 4),
        p_DIVF=Const(s.feedback - 1, 7),
        p_DIVQ=Const(s.output.bit_length() - 1, 3),
        p_FILTER_RANGE=Const(filter_range, 3),
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        i_PACKAGEPIN=clk,
        o_PLLOUTGLOBAL=out,
        o_LOCK=locked,
    )
    return _held(instance, out, locked, reset)


def _gowin(board: Target, clk: Value, reset: Value) -> Module:
    out = Signal()
    m = _held(None, out, Const(1), reset)
    m.d.comb += out.eq(clk)
    return m


def _held(instance: Instance | None, out: Signal, locked: Value, reset: Value) -> Module:
    """Return a module with the PLL ``instance`` and a synchronous reset that is held
    for ``HOLD_CYCLES`` after the PLL has locked."""
    m = Module()
    if instance is not None:
        m.submodules.pll = instance
    m.domains += [ClockDomain("sync"), ClockDomain("early")]
    m.d.comb += [ClockSignal("sync").eq(out), ClockSignal("early").eq(out)]
    m.submodules.early = ResetSynchronizer(~locked | reset, domain="early")
    count = Signal(range(HOLD_CYCLES + 1))
    done = Signal()
    with m.If(count == HOLD_CYCLES):
        m.d.early += done.eq(1)
    with m.Else():
        m.d.early += count.eq(count + 1)
    m.submodules.late = ResetSynchronizer(~done, domain="sync")
    return m
