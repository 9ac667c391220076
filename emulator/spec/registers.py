"""The register table: one list that makes the gateware decoder, the host
accessors and the docs.

Registers are 32-bit words in region 0 of the memory map
(``ndrite.emulator.spec.memory_map``), addressed by word. ``ro`` registers are driven by
the gateware, ``rw`` hold what the host wrote, ``wo`` act on a write.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.walk_record import GATE, HEADER, STEP

MAGIC = 0x5452444E
"""Value of the register ``magic``: ASCII "NDRT", least significant byte first."""
PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 2

FEATURES = ("noise", "analog", "skip", "step_tables")


LANE_ROWS_BIT, STEP_TABLES_BIT = 8, 16
"""Lowest bits of the fields ``lane_rows`` - 1 (8 bits) and ``step_tables`` in register
geometry_lane_groups, to which they were added later."""


@dataclass(frozen=True)
class Register:
    """One 32-bit register: word address, access (``ro``, ``rw``, ``wo``) and meaning."""

    name: str
    address: int
    access: str
    text: str


def numbered(rows: Iterable[tuple[str, str, str]]) -> tuple[Register, ...]:
    """Return registers with consecutive addresses, one for each tuple (name, access,
    meaning) in ``rows``."""
    return tuple(Register(name, i, access, text) for i, (name, access, text) in enumerate(rows))


def _table() -> tuple[Register, ...]:
    identity = [
        ("magic", "ro", "0x5452444E, ASCII NDRT"),
        ("protocol", "ro", "protocol version: major << 16 | minor"),
        ("build_id_low", "ro", "hash of the netlist, bits 31..0"),
        ("build_id_high", "ro", "hash of the netlist, bits 63..32"),
        (
            "register_map",
            "ro",
            "CRC-32 of the register table's names, addresses and access, and of what walks read",
        ),
    ]
    geometry = [
        (f"geometry_{name}", "ro", f"Geometry.{name}" + (" (0 or 1)" if name in FEATURES else ""))
        for name in Geometry().hardware_fields()
        if name not in ("lane_rows", "step_tables")
    ]
    control = [
        ("scratch", "rw", "no effect; for link tests"),
        ("program_tag", "rw", "mark of the program on the chip; 0 = not programmed, inference is refused"),
        ("host_mark", "rw", "what the host wrote when it opened the device; 0 after power-up"),
        ("noise_enable", "rw", "bit 0: read noise on; 0 behaves as sigma_out = var_cell = 0"),
        ("seed_low", "rw", "read-noise seed, bits 31..0"),
        ("seed_high", "rw", "read-noise seed, bits 63..32"),
    ]
    campaign = [
        ("stuck_low", "rw", "stuck-low cells of a virtual chip, in 2^-16"),
        ("stuck_high", "rw", "stuck-high cells of a virtual chip, in 2^-16"),
        ("stuck_codes", "rw", "code of stuck-low cells | of stuck-high cells << 8 | largest code << 16"),
        ("campaign_first_chip", "rw", "first virtual chip"),
        ("campaign_chips", "rw", "virtual chips to run, 1..256"),
        ("campaign_samples", "rw", "samples in the campaign buffer, from its beginning"),
        ("campaign_trials", "rw", "read-noise trials of every sample on every chip"),
        ("campaign_first_index", "rw", "inference index of the first sample in the first trial"),
        ("campaign_control", "wo", "1: run a campaign; 2: abort it"),
        ("campaign_busy", "ro", "1 while a campaign runs or weights are being written by the chip itself"),
        ("campaign_chips_done", "ro", "chips whose results stand in region correct"),
    ]
    counters = [
        ("counter_clear", "wo", "any write sets every counter below to 0"),
        ("inferences", "ro", "inferences finished"),
        ("inference_cycles", "ro", "clock cycles with at least one inference under way"),
        ("busy_cycles", "ro", "clock cycles in which the array took a row"),
        ("stall_cycles", "ro", "inference cycles in which the array waited for inputs, noise or readout"),
        ("passes", "ro", "passes finished: one column group, row tile and slice each"),
        ("last_cycles", "ro", "clock cycles from the start to the end of the latest inference"),
        ("redraw_cycles", "ro", "clock cycles in which virtual chips were drawn"),
        ("campaign_cycles", "ro", "clock cycles with campaign_busy"),
        ("watchdog_resets", "ro", "times the core was reset because an inference or campaign did not go on"),
        ("frames_good", "ro", "frames received with a good CRC"),
        ("errors_framing", "ro", "frames dropped: bad COBS, wrong length, or a UART stop bit missing"),
        ("errors_crc", "ro", "frames dropped: CRC mismatch"),
        ("errors_overflow", "ro", "frames dropped: longer than a buffer, or no buffer free"),
        ("errors_sequence", "ro", "frames refused: sequence number neither expected nor the latest"),
    ]
    return numbered(identity + geometry + control + campaign + counters)


REGISTERS: tuple[Register, ...] = _table()
BY_NAME: dict[str, Register] = {r.name: r for r in REGISTERS}
COUNTERS: tuple[str, ...] = tuple(r.name for r in REGISTERS if r.address > BY_NAME["counter_clear"].address)


def register_map_hash(*more: str) -> int:
    """Return the CRC-32 of the register table and of the lines ``more``. A host with
    another table rejects the device."""
    lines = [*(f"{r.name} {r.address} {r.access}" for r in REGISTERS), *more]
    return zlib.crc32("\n".join(lines).encode())


REGISTER_MAP = register_map_hash()
WALKING_MAP = register_map_hash(
    *(f"{name} {place}" for fields in (HEADER, STEP, GATE) for name, place in fields.items())
)
"""Value of the register ``register_map`` of a device with feature maps: the hash
of the register table and the step records. A host with other step records
rejects the device."""


def protocol_word() -> int:
    """Return the value of the ``protocol`` register."""
    return PROTOCOL_MAJOR << 16 | PROTOCOL_MINOR


def identity(geometry: Geometry, build_id: int) -> dict[str, int]:
    """Return the reset values of the identity block for a geometry and a 64-bit build id."""
    fields = {f"geometry_{k}": v for k, v in geometry.hardware_fields().items()}
    fields["geometry_lane_groups"] |= (fields.pop("geometry_lane_rows") - 1) << LANE_ROWS_BIT
    fields["geometry_lane_groups"] |= fields.pop("geometry_step_tables") << STEP_TABLES_BIT
    return {
        "magic": MAGIC,
        "protocol": protocol_word(),
        "build_id_low": build_id & 0xFFFFFFFF,
        "build_id_high": build_id >> 32,
        "register_map": WALKING_MAP if geometry.map_codes else REGISTER_MAP,
    } | fields
