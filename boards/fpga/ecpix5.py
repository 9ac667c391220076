"""ECPIX-5 by LambdaConcept (ECP5 85F, the faster grade) on Ethernet: one that
infers, one that learns."""

from ndrite.boards.fpga.ecp5_arrays import ECP5_85F_LEARNING, ECP5_85F_WIDE_UDP
from ndrite.boards.fpga.target import Circuit, Pin, RgmiiPins, Target


def _led(site: str) -> Pin:
    return Pin(site, active_low=True, pull="up")


# The board's Ethernet PHY (Micrel KSZ9031RNX) delays the clock that it sends to the
# FPGA, and expects a delayed clock from it.
_ETHERNET = RgmiiPins(
    rx_clk=Pin("E11"),
    rx_ctl=Pin("A11"),
    rx_data=(Pin("B11"), Pin("A10"), Pin("B10"), Pin("A9")),
    tx_clk=Pin("A12"),
    tx_ctl=Pin("C9"),
    tx_data=(Pin("D8"), Pin("C8"), Pin("B8"), Pin("A8")),
    reset=Pin("C13", active_low=True),
    receive_delay_ps=0,
    transmit_delay_ps=2000,
)
_COMMON: Circuit = {
    "package": "CABGA554",
    "speed": "8",
    "input_mhz": 100,
    "clock": Pin("K23"),
    "uart_rx": Pin("R26", pull="up"),
    "uart_tx": Pin("R24", pull="up"),
    "baud": 1_000_000,
    "link_led": _led("R21"),  # this and the next are green LEDs of the first two RGB LEDs
    "activity_led": _led("W21"),
    "reset": Pin("AB1", active_low=True),
    "loader": "ecpix5",
    "ethernet": _ETHERNET,
    "aim": 1.1,
    "pins_from": "amaranth_boards.ecpix5; litex_boards.targets.lambdaconcept_ecpix5 (delays of its PHY)",
}
TARGETS = (
    # A board for inference with feature maps: with 128 lanes it is the fastest.
    Target(
        name="ecpix5-85f-maps-udp",
        clock_mhz=140,
        lane_sites_from=28,
        **_COMMON | {"aim": 1.02},
        **ECP5_85F_WIDE_UDP,
    ),
    # A board with the learning array.
    Target(
        name="ecpix5-85f-udp",
        clock_mhz=120,
        lane_sites_from=20,
        **_COMMON,
        **ECP5_85F_LEARNING,
    ),
)
