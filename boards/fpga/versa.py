"""Lattice ECP5-5G Versa; USB serial is an FT2232H."""

from __future__ import annotations

from boards.fpga.ecp5_arrays import ECP5_45F
from boards.fpga.target import Pin, Target

_5G = ECP5_45F | {"device": "um5g-45k"}
ECP5_VERSA_5G = Target(
    name="ecp5-versa-5g",
    package="CABGA381",
    speed="8",
    clock_mhz=140,
    input_mhz=100,
    clock=Pin("P3", standard="LVDS", differential=True),
    uart_rx=Pin("C11", pull="up"),
    uart_tx=Pin("A11"),
    baud=3_000_000,
    link_led=Pin("E16", standard="LVCMOS25", active_low=True),
    activity_led=Pin("D17", standard="LVCMOS25", active_low=True),
    reset=Pin("T1", active_low=True, pull="up"),
    loader="ecp5_evn",
    pins_from="amaranth_boards.versa_ecp5_5g",
    **_5G,
)
TARGETS = (ECP5_VERSA_5G,)
