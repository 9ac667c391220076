"""Sipeed Tang Nano 9K (GW1NR-9) and 20K (GW2AR-18); USB serial is the board's own microcontroller."""

from __future__ import annotations

import dataclasses

from boards.fpga.target import Pin, Target
from emulator.spec import Geometry

TANG_NANO_9K = Target(
    name="tang-nano-9k",
    family="gowin",
    device="GW1NR-LV9QN88PC6/I5",
    package="GW1N-9C",
    speed="C6/I5",
    geometry=Geometry(
        name="tang-nano-9k",
        lanes=4,
        readouts=1,
        weight_bits=8,
        weight_depth=4096,
        max_inputs=512,
        max_outputs=64,
        columns=256,
        layers=4,
        curves=16,
        noise=False,
        analog=False,
        packet_bytes=512,
        window=1,
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
    compact=True,
    small=True,
    pins_from="amaranth_boards.tang_nano_9k",
)
TANG_NANO_20K = dataclasses.replace(
    TANG_NANO_9K.resized(
        "tang-nano-20k",
        lanes=8,
        max_inputs=1024,
        packet_bytes=1024,
        noise=True,
    ),
    small=False,
    # More LUT memories than these leave nextpnr no place for the rest.
    memory_styles=(
        ("block", "core.scanner.queue/m:*"),
        ("block", "core.inputs*.memory/m:*"),
        ("block", "core.activations.memory/m:*"),
    ),
    device="GW2AR-LV18QN88C8/I7",
    package="GW2A-18C",
    speed="C8/I7",
    clock=Pin("4"),
    uart_rx=Pin("70", pull="up"),
    uart_tx=Pin("69", pull="up"),
    link_led=Pin("15", active_low=True),
    activity_led=Pin("16", active_low=True),
    reset=Pin("88"),
    loader="tangnano20k",
    pins_from="litex_boards.platforms.sipeed_tang_nano_20k",
)
TARGETS = (TANG_NANO_9K, TANG_NANO_20K)
