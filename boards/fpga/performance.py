"""Inference rates of a geometry at a clock for a program, estimated from the schedule
and the bytes on the wire."""

import dataclasses
from typing import Any

import numpy as np

from ndrite.boards.fpga.target import Target
from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.datagrams import MTU, PIECE_MAX
from ndrite.emulator.spec.errors import GeometryError
from ndrite.emulator.spec.packets import CRC_BYTES, HEADER_BYTES

BITS_PER_BYTE = 10
"""Bits on a UART line for each byte (8N1): start bit, eight data bits, stop bit."""


GIGABIT_BYTES = 125_000_000
"""Bytes per second on gigabit Ethernet."""
FULL_FRAME = MTU + 14 + 4 + 8 + 12
"""Time of a full Ethernet frame on the line, in bytes: with header, FCS, preamble and gap."""


def frame_bytes(payload: int) -> int:
    """Return the number of bytes on the wire for a packet with ``payload`` bytes:
    header, payload, CRC, the largest COBS overhead, delimiter."""
    body = HEADER_BYTES + payload + CRC_BYTES
    return body + 1 + body // 254 + 1


def fits(program: Program, geometry: Geometry) -> str | None:
    """Return why a network of the same shape as ``program`` does not fit an array of
    ``geometry``, or None if it fits.

    The shape counts: where a geometry has 8-bit codes or no noise generator the network
    would be compiled for 8-bit codes, or run without noise.
    """
    layers = []
    for layer in program.layers:
        changes: dict[str, Any] = {} if geometry.noise else {"sigma_out": 0, "var_cell": 0}
        if np.abs(layer.weights).max() > geometry.weight_max:
            changes["weights"] = layer.weights // 2
        layers.append(dataclasses.replace(layer, **changes))
    try:
        check_fits(program.with_layers(tuple(layers)), geometry)
    except GeometryError as error:
        return str(error)
    return None


def of_array(
    geometry: Geometry, program: Program, clock_mhz: float, problem: str | None
) -> dict[str, int | str | None]:
    """Return the inference rate of the array for ``program``, regardless of the link;
    ``problem`` says why the program does not fit, or is None."""
    cycles = bound_cycles(program, geometry.lanes, geometry.lane_rows)
    return {
        "network": program.name,
        "network_fits": "yes" if problem is None else problem,
        "bound_cycles": cycles,
        "weights_capacity": geometry.lanes * geometry.weight_depth,
        "samples_per_s_compute": None if problem else round(clock_mhz * 1e6 / cycles),
    }


def performance(board: Target, program: Program, clock_mhz: float) -> dict[str, float | int | str | None]:
    """Return the inference rates of a board for ``program`` at ``clock_mhz``; the rates
    are None if the program does not fit.

    ``samples_per_s_compute`` is the clock / schedule bound, nothing skipped;
    ``samples_per_s_link`` is one request frame a sample at the UART's bit rate, or in
    full datagrams on gigabit Ethernet, requests and answers overlapping.
    """
    g = board.geometry
    problem = "it learns, and runs no programs" if board.learns else fits(program, g)
    link = None
    if problem is None:
        longest = max(frame_bytes(program.inputs), frame_bytes(4 * program.outputs))
        uart, ethernet = board.baud / BITS_PER_BYTE, GIGABIT_BYTES * PIECE_MAX / FULL_FRAME
        link = (uart if board.ethernet is None else ethernet) / longest
    return {
        **of_array(g, program, clock_mhz, problem),
        "gmac_per_s": round(g.products * clock_mhz / 1e3, 3),
        "samples_per_s_link": None if link is None else round(link),
    }
