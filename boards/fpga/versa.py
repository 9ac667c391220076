"""Lattice ECP5-5G Versa; USB serial is an FT2232H."""

from __future__ import annotations

from boards.fpga.ecp5_arrays import ECP5_45F_UDP
from boards.fpga.target import Pin, RgmiiPins, Target


def _pin(site: str) -> Pin:
    return Pin(site, standard="LVCMOS25")


# The first of its two PHYs, Marvell 88E1512.
_ETHERNET = RgmiiPins(
    rx_clk=_pin("L20"),
    rx_ctl=_pin("U19"),
    rx_data=(_pin("T20"), _pin("U20"), _pin("T19"), _pin("R18")),
    tx_clk=_pin("P19"),
    tx_ctl=_pin("R20"),
    tx_data=(_pin("N19"), _pin("N20"), _pin("P18"), _pin("P20")),
    reset=Pin("U17", standard="LVCMOS25", active_low=True),
    receive_delay_ps=2000,
    transmit_delay_ps=2000,
)
ECP5_VERSA_UDP = Target(
    name="ecp5-versa-5g-udp",
    package="CABGA381",
    speed="8",
    clock_mhz=144,
    input_mhz=100,
    clock=Pin("P3", standard="LVDS", differential=True),
    uart_rx=Pin("C11", pull="up"),
    uart_tx=Pin("A11"),
    baud=12_000_000,  # the FT2232H's fastest: a twelfth of the clock
    link_led=Pin("E16", standard="LVCMOS25", active_low=True),
    activity_led=Pin("D17", standard="LVCMOS25", active_low=True),
    reset=Pin("T1", active_low=True, pull="up"),
    loader="ecp5_evn",
    pins_from="amaranth_boards.versa_ecp5_5g",
    ethernet=_ETHERNET,
    aim=1.1,  # of both clocks: the receive clock would not reach more
    **ECP5_45F_UDP | {"device": "um5g-45k"},
)
TARGETS = (ECP5_VERSA_UDP,)
