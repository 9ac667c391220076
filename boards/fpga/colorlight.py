"""Colorlight i9 (ECP5 45F) on its extension board; the board's DAPLink is the USB serial bridge."""

from __future__ import annotations

from boards.fpga.ecp5_arrays import ECP5_45F
from boards.fpga.target import Pin, Target

COLORLIGHT_I9 = Target(
    name="colorlight-i9",
    package="CABGA381",
    speed="6",
    clock_mhz=100,
    input_mhz=25,
    clock=Pin("P3"),
    uart_rx=Pin("H18"),
    uart_tx=Pin("J17"),
    baud=1_000_000,
    link_led=Pin("L2", active_low=True),
    activity_led=Pin("D1"),  # PMOD-F, first pin: the module has a single LED
    loader="colorlight-i9",
    pins_from="litex_boards.platforms.colorlight_i5 (clock, UART) and the i9's published pinout (LED)",
    **ECP5_45F,
)
TARGETS = (COLORLIGHT_I9,)
