"""Sipeed Tang Nano 9K (GW1NR-9); USB serial is the board's own microcontroller."""

from ndrite.boards.fpga.target import SMALL, Pin, Target
from ndrite.emulator.spec import Geometry

TANG_NANO_9K = Target(
    name="tang-nano-9k",
    family="gowin",
    device="GW1NR-LV9QN88PC6/I5",
    package="GW1N-9C",
    speed="C6/I5",
    geometry=Geometry(
        name="tang-nano-9k",
        lanes=4,
        weight_depth=4096,
        max_inputs=512,
        max_outputs=64,
        packet_bytes=512,
        **SMALL,
    ),
    clock_mhz=27,
    input_mhz=27,
    clock=Pin("52"),
    uart_rx=Pin("18", pull="up"),
    uart_tx=Pin("17", pull="up"),
    baud=1_000_000,
    link_led=Pin("10", standard="LVCMOS18", active_low=True),
    activity_led=Pin("11", standard="LVCMOS18", active_low=True),
    reset=Pin("4", standard="LVCMOS18", active_low=True, pull="up"),
    loader="tangnano9k",
    small=True,
    pins_from="amaranth_boards.tang_nano_9k",
)
TARGETS = (TANG_NANO_9K,)
