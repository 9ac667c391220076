"""Colorlight i9 (ECP5 45F) on its extension board; the board's DAPLink is the
USB serial bridge."""

from ndrite.boards.fpga.ecp5_arrays import ECP5_45F_LEARNING, ECP5_45F_UDP
from ndrite.boards.fpga.target import Circuit, Pin, RgmiiPins, Target

# The i9 7.2 has two Broadcom B50612D Ethernet PHYs with a common reset. These are the
# pins of U29, which the wuxx documents call PHY 0.
_ETHERNET = RgmiiPins(
    rx_clk=Pin("L19"),
    rx_ctl=Pin("M20"),
    rx_data=(Pin("P20"), Pin("N19"), Pin("N20"), Pin("M19")),
    tx_clk=Pin("U19"),
    tx_ctl=Pin("P19"),
    tx_data=(Pin("U20"), Pin("T19"), Pin("T20"), Pin("R20")),
    reset=Pin("P4", active_low=True),
    receive_delay_ps=2000,
    transmit_delay_ps=0,  # the PHY itself delays the clock that it receives
)
_COMMON: Circuit = {
    "package": "CABGA381",
    "speed": "6",
    "input_mhz": 25,
    "clock": Pin("P3"),
    "uart_rx": Pin("H18"),
    "uart_tx": Pin("J17"),
    "baud": 1_000_000,
    "link_led": Pin("L2", active_low=True),
    "activity_led": Pin("D1"),  # first pin of PMOD-F, since the module has a single LED
    "loader": "colorlight-i9",
    "ethernet": _ETHERNET,
    "aim": 1.1,  # applies to both clocks; the receive clock reaches no more
    "pins_from": "litex_boards.platforms.colorlight_i5 (clock, UART); the i9's published pinout (LED); "
    "wuxx/Colorlight-FPGA-Projects, i9 v7.2 (Ethernet)",
}
TARGETS = (
    Target(name="colorlight-i9-udp", clock_mhz=100, **_COMMON, **ECP5_45F_UDP),
    # A board with a learning core: the cheapest one with gigabit Ethernet.
    Target(
        name="colorlight-i9-learn-udp",
        clock_mhz=80,
        lane_sites_from=20,
        **_COMMON,
        **ECP5_45F_LEARNING,
    ),
)
