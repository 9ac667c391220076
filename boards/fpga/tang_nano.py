"""Sipeed Tang Nano 9K (GW1NR-9) and 20K (GW2AR-18); USB serial is the board's own microcontroller."""

from __future__ import annotations

import dataclasses

from boards.fpga.board import Board, Pin
from emulator.spec import Geometry

TANG_NANO_9K = Board(
    name="tang-nano-9k",
    family="gowin",
    device="GW1NR-LV9QN88PC6/I5",
    package="GW1N-9C",
    speed="C6/I5",
    geometry=Geometry(
        name="tang-nano-9k",
        rows=64,
        lanes=4,
        readouts=1,
        weight_bits=8,
        weight_depth=2048,
        max_inputs=64,
        max_outputs=16,
        columns=64,
        layers=4,
        curves=8,
        noise=False,
        analog=False,
        packet_bytes=64,
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
    # More LUT memories than these leave nextpnr no place for the rest.
    memory_styles=(
        ("block", "sequencer/m:*"),
        ("block", "scanner.queue/m:*"),
        ("block", "inputs*.memory/m:*"),
        ("block", "activations.memory/m:*"),
    ),
    pins_from="amaranth_boards.tang_nano_9k",
    note="does not fit: 9,162 of 6,480 flip-flops with four lanes and no noise; most are the pipelines that "
    "make large chips fast",
)
TANG_NANO_20K = dataclasses.replace(
    TANG_NANO_9K.resized(
        "tang-nano-20k",
        rows=128,
        lanes=8,
        weight_depth=4096,
        max_inputs=1024,
        max_outputs=64,
        columns=256,
        packet_bytes=1024,
        curves=16,
        noise=True,
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
    note="",
    pins_from="litex_boards.platforms.sipeed_tang_nano_20k",
)
BOARDS = (TANG_NANO_9K, TANG_NANO_20K)
