"""Description of one FPGA board for the build flow."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NotRequired, TypedDict

from ndrite.boards.fpga import pll
from ndrite.emulator.spec import Geometry
from ndrite.hdl.ethernet.addresses import USUAL, Addresses

Family = Literal["ecp5", "ice40", "gowin"]
MemoryStyle = Literal["distributed", "block", "logic"]
AIM: dict[Family, float] = {"ecp5": 1.3, "ice40": 1.0, "gowin": 1.0}
"""Family -> frequency at which place and route aims, as a multiple of the board's
clock; the tool stops improving once it reaches its aim."""
SMALL: dict[str, Any] = {"readouts": 1, "weight_bits": 8, "columns": 256, "layers": 4, "curves": 16}
SMALL |= {"noise": False, "analog": False, "window": 1}
"""Geometry fields of a board whose core is that of ``ndrite.hdl.small``."""
BAUD_TOLERANCE = 0.02
"""Largest relative deviation of the real bit rate at which the UART at the other end
still samples safely."""


@dataclass(frozen=True)
class Pin:
    """One package pin (``site``) and its electrical settings.

    ``pull`` is "up", "down" or "none"; ``active_low`` inverts the signal.
    """

    site: str
    standard: str = "LVCMOS33"
    active_low: bool = False
    pull: str = "none"


@dataclass(frozen=True, kw_only=True)
class RgmiiPins:
    """The pins of a gigabit Ethernet PHY, and the delays between its clock and data
    (``ndrite.boards.fpga.rgmii``).

    ``reset`` is the PHY's, low for the first ``PHY_RESET_S``. Delays are of data
    received and of the clock sent, ps.
    """

    rx_clk: Pin
    rx_ctl: Pin
    rx_data: tuple[Pin, Pin, Pin, Pin]
    tx_clk: Pin
    tx_ctl: Pin
    tx_data: tuple[Pin, Pin, Pin, Pin]
    reset: Pin
    receive_delay_ps: int
    transmit_delay_ps: int

    @property
    def pins(self) -> dict[str, Pin]:
        """The package pin of each Ethernet port of the board's top component,
        by the port's name."""
        ports = {
            "eth_rx_clk": self.rx_clk,
            "eth_rx_ctl": self.rx_ctl,
            "eth_tx_clk": self.tx_clk,
            "eth_tx_ctl": self.tx_ctl,
        }
        ports |= {f"eth_rx_data_{i}": pin for i, pin in enumerate(self.rx_data)}
        ports |= {f"eth_tx_data_{i}": pin for i, pin in enumerate(self.tx_data)}
        return ports | {"eth_reset": self.reset}


class Fabric(TypedDict):
    """Fields of ``Target`` that the FPGA and the array in it determine; several
    boards share them."""

    family: Family
    device: str
    geometry: Geometry
    memory_styles: NotRequired[tuple[tuple[MemoryStyle, str], ...]]
    block_memory_words: NotRequired[int]
    soft_multipliers: NotRequired[tuple[str, ...]]
    dsp_inference: NotRequired[bool]
    learns: NotRequired[bool]


class Circuit(TypedDict):
    """Fields of ``Target`` that a circuit board determines, whatever array is built for it."""

    package: str
    speed: str
    input_mhz: float
    clock: Pin
    uart_rx: Pin
    uart_tx: Pin
    baud: int
    link_led: Pin
    activity_led: Pin
    loader: str
    pins_from: str
    held_high: NotRequired[tuple[tuple[str, Pin], ...]]
    reset: NotRequired[Pin]
    ethernet: NotRequired[RgmiiPins]
    aim: NotRequired[float]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Description of an FPGA board: its array geometry, its clock, its pins and
    its build options.

    Raises ValueError when no UART divisor is within ``BAUD_TOLERANCE`` of ``baud``, or
    the options exclude each other. Raises BuildError when the part's PLL cannot make
    ``clock_mhz`` from ``input_mhz`` within its limits.

    Parameters
    ----------
    name:
        Its name for ``ndrite board build``.
    device, package, speed:
        Part, as the place-and-route tool spells them; ``speed`` is the grade.
    same_die:
        Other ids of the same die, which a bitstream can be made for.
    geometry:
        Shape of the array.
    clock_mhz:
        System clock the PLL makes, and the timing constraint.
    input_mhz:
        Crystal on ``clock``.
    baud:
        Bits per second of the UART.
    ethernet:
        Pins of the gigabit PHY through which the device is reached; None: it is reached
        through the UART.
    addresses:
        The device's addresses on Ethernet.
    held_high:
        Pins that must not float, by port: they are driven high.
    reset:
        Button that resets the device, if the board has one to spare.
    link_led, activity_led:
        Lit while bytes come in and while answers go out.
    loader:
        Board name of openFPGALoader.
    memory_styles:
        (style, pattern) of memories that Yosys should not place by its own rules:
        "distributed" and "block" RAM, or "logic" for read-only tables; the pattern
        names memories in Yosys' selection syntax, from the accelerator down
        (``core.scanner...``).
    block_memory_words:
        On ECP5: memories of fewer words are left to the synthesiser and to ``memory_styles``.
    soft_multipliers:
        Modules (patterns as above) whose multipliers are built from LUTs: lanes in
        excess of the part's DSPs.
    dsp_inference:
        Whether Yosys may put other products into DSPs than those the RTL asks for.
    small:
        Whether the core is ``ndrite.hdl.small``'s, without registers that only serve speed.
    learns:
        Whether the board has a learning core instead of a core that only infers;
        on Ethernet only.
    aim:
        Frequency at which place and route aims, in multiples of ``clock_mhz`` and, on
        Ethernet, of the receive clock; None: ``AIM`` of the family.
    lane_sites_from:
        On ECP5: number of multiplier sites, counted along the path of
        ``ndrite.boards.fpga.floorplan``, that are left to the rest of the design before
        the first lane's site; None: no floorplan.
    pins_from:
        Source of the pins.
    """

    name: str
    family: Family
    device: str
    same_die: tuple[str, ...] = ()
    package: str
    speed: str
    geometry: Geometry
    clock_mhz: float
    input_mhz: float
    clock: Pin
    uart_rx: Pin
    uart_tx: Pin
    baud: int
    link_led: Pin
    activity_led: Pin
    ethernet: RgmiiPins | None = None
    addresses: Addresses = USUAL
    held_high: tuple[tuple[str, Pin], ...] = ()
    reset: Pin | None = None
    loader: str
    memory_styles: tuple[tuple[MemoryStyle, str], ...] = ()
    block_memory_words: int = 0
    soft_multipliers: tuple[str, ...] = ()
    dsp_inference: bool = True
    small: bool = False
    learns: bool = False
    aim: float | None = None
    lane_sites_from: int | None = None
    pins_from: str

    def __post_init__(self) -> None:
        if self.ethernet is not None and self.family != "ecp5":
            raise ValueError(f"board {self.name!r}: ethernet is set on family {self.family}; accepted: ecp5")
        if self.learns and self.ethernet is None:
            raise ValueError(f"board {self.name!r}: learns is set without ethernet; accepted: with ethernet")
        if self.asked != 1 and self.family != "ecp5":
            raise ValueError(f"board {self.name!r}: aim is {self.asked:g}; accepted on {self.family}: 1")
        if self.family == "gowin" and self.clock_mhz != self.input_mhz:
            raise ValueError(
                f"board {self.name!r}: clock is {self.clock_mhz} MHz; accepted on gowin: {self.input_mhz}"
            )
        error = abs(self.clock_mhz * 1e6 / self.divisor / self.baud - 1)
        if error > BAUD_TOLERANCE:
            raise ValueError(
                f"board {self.name!r}: {self.baud} baud is off by {100 * error:.1f} % at "
                f"{self.clock_mhz} MHz; accepted: at most {100 * BAUD_TOLERANCE:.0f} %"
            )
        _ = self.pll_setting  # raises an error if no PLL setting makes the clock

    @cached_property
    def pll_setting(self) -> pll.Setting | None:
        """The PLL setting that makes the board's clock; None on Gowin, where the
        crystal itself is the clock."""
        return None if self.family == "gowin" else pll.setting(self.family, self.input_mhz, self.clock_mhz)

    @property
    def asked(self) -> float:
        """The clock frequency that place and route aims at, as a multiple of ``clock_mhz``."""
        return AIM[self.family] if self.aim is None else self.aim

    @property
    def divisor(self) -> int:
        """The number of system clocks per UART bit."""
        return round(self.clock_mhz * 1e6 / self.baud)

    @property
    def pins(self) -> dict[str, Pin]:
        """The package pin of each port of the board's top component, by the port's name."""
        link = {"rx": self.uart_rx, "tx": self.uart_tx} if self.ethernet is None else self.ethernet.pins
        link |= {f"high_{name}": pin for name, pin in self.held_high}
        ports = {"clk": self.clock, **link, "link_led": self.link_led, "activity_led": self.activity_led}
        return ports if self.reset is None else ports | {"reset": self.reset}
