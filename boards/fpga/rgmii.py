"""RGMII pins of an ECP5, one byte per clock in each direction; resets of the PHY and of
the domain of its clock."""

from amaranth import Cat, ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

TAP_PS = 25
"""Approximate delay of one tap of DELAYG in picoseconds (Lattice FPGA-DS-02012)."""
TAPS = 127


def eth_domain(m: Module, clock: Value, reset: Value) -> None:
    """Define clock domain ``eth`` with clock ``clock``. The domain is in reset while
    ``reset`` is high and for two clock edges after that."""
    m.domains += ClockDomain("eth")
    m.d.comb += ClockSignal("eth").eq(clock)
    m.submodules.eth_reset = ResetSynchronizer(reset, domain="eth")


class PhyStart(wiring.Component):
    """Holds the Ethernet PHY in reset for ``cycles`` after power-on or the reset
    button, and clock domain ``eth`` for twice as long.

    A PHY in reset stops its clock, and starts it with irregular edges, which may
    change the domain's registers after the global reset. The second reset restores
    them when the clock runs.
    """

    def __init__(self, cycles: int) -> None:
        self.cycles = cycles
        super().__init__({"phy": Out(1, init=1), "eth": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(range(2 * self.cycles + 1), init=2 * self.cycles)
        m.d.sync += [self.phy.eq(left > self.cycles), self.eth.eq(left != 0)]
        with m.If(self.eth):
            m.d.sync += left.eq(left - (left != 0))
        return m


class Rgmii(wiring.Component):
    """Converts between RGMII pins and GMII signals in domain ``eth``, whose clock is
    the PHY's receive clock; data is sent with that clock too.

    Raises ValueError: a delay is longer than the pins have.

    Parameters
    ----------
    receive_delay_ps:
        Delay of the data, since the clock reaches the registers late through its network.
    transmit_delay_ps:
        Delay of the clock against the data, if the PHY adds none.
    """

    def __init__(self, *, receive_delay_ps: int, transmit_delay_ps: int) -> None:
        for name, value in (("receive", receive_delay_ps), ("transmit", transmit_delay_ps)):
            if not 0 <= value <= TAPS * TAP_PS:
                raise ValueError(f"{name}_delay_ps is {value}; accepted: 0..{TAPS * TAP_PS}")
        self.receive_taps = receive_delay_ps // TAP_PS
        self.transmit_taps = transmit_delay_ps // TAP_PS
        super().__init__(
            {"rx_ctl": In(1), "rx_data": In(4)}
            | {"tx_clk": Out(1), "tx_ctl": Out(1), "tx_data": Out(4)}
            | {"gmii_rx_valid": Out(1), "gmii_rx": Out(8), "gmii_rx_error": Out(1)}
            | {"gmii_tx_valid": In(1), "gmii_tx": In(8)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clock = ClockSignal("eth")

        def comes(name: str, pin: Value) -> tuple[Signal, Signal]:
            """Return the levels of an input pin on a rising clock edge and on the
            falling edge after it."""
            late, rise, fall = (Signal(name=f"{name}_{n}") for n in ("late", "rise", "fall"))
            _delay(m, f"{name}_delay", self.receive_taps, pin, late)
            m.submodules[name] = Instance(
                "IDDRX1F", i_D=late, i_SCLK=clock, i_RST=Const(0), o_Q0=rise, o_Q1=fall
            )
            return rise, fall

        def goes(name: str, taps: int, high: Value, low: Value, pin: Value) -> None:
            """Drive an output pin with ``high`` while the clock is high, and with
            ``low`` while it is low."""
            early = Signal(name=f"{name}_early")
            m.submodules[name] = Instance(
                "ODDRX1F", i_D0=high, i_D1=low, i_SCLK=clock, i_RST=Const(0), o_Q=early
            )
            _delay(m, f"{name}_delay", taps, early, pin)

        rise, fall = comes("rx_ctl_pin", self.rx_ctl)
        nibbles = [comes(f"rx_data_pin_{i}", self.rx_data[i]) for i in range(4)]
        m.d.eth += [
            self.gmii_rx_valid.eq(rise),
            # On the falling edge the control pin carries valid xor error.
            self.gmii_rx_error.eq(rise ^ fall),
            self.gmii_rx.eq(Cat(*(low for low, _ in nibbles), *(high for _, high in nibbles))),
        ]
        valid, byte = Signal(), Signal(8)
        m.d.eth += [valid.eq(self.gmii_tx_valid), byte.eq(self.gmii_tx)]
        goes("tx_clk_pin", self.transmit_taps, Const(1), Const(0), self.tx_clk)
        goes("tx_ctl_pin", 0, valid, valid, self.tx_ctl)
        for i in range(4):
            goes(f"tx_data_pin_{i}", 0, byte[i], byte[i + 4], self.tx_data[i])
        return m


def _delay(m: Module, name: str, taps: int, source: Value, sink: Value) -> None:
    m.submodules[name] = Instance("DELAYG", p_DEL_MODE="USER_DEFINED", p_DEL_VALUE=taps, i_A=source, o_Z=sink)
