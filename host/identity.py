"""Reads and checks the registers that identify a device."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ndrite.emulator.spec import PRESETS, Geometry, GeometryError
from ndrite.emulator.spec.learning_map import MAGIC_LEARNING
from ndrite.emulator.spec.registers import (
    BY_NAME,
    FEATURES,
    LANE_ROWS_BIT,
    MAGIC,
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    REGISTER_MAP,
    STEP_TABLES_BIT,
    WALKING_MAP,
)
from ndrite.host.errors import IdentityError

REGISTER_MAPS = REGISTER_MAP, WALKING_MAP
FIXED = ("magic", "protocol", "build_id_low", "build_id_high", "register_map")
"""Registers whose addresses are the same in all versions, so that they can be read
before the rest is trusted."""
GEOMETRY_PREFIX = "geometry_"


@dataclass(frozen=True)
class Identity:
    """A device's identity as read from its registers: protocol version, build id,
    register map and geometry."""

    protocol: tuple[int, int]
    build_id: int
    register_map: int
    geometry: Geometry


def read_identity(
    read: Callable[[int, int], list[int]], expected: int = MAGIC, known: tuple[int, int] = REGISTER_MAPS
) -> Identity:
    """Read and check a device's identity by ``read(address, count) -> words``. The
    magic number must be ``expected``. The register map must be the first of
    ``known``, or the second if the device has feature maps or, as a device that
    learns, step tables.

    Raises
    ------
    IdentityError
        When this host cannot drive the device; the message says what to rebuild.
    """
    assert [BY_NAME[name].address for name in FIXED] == list(range(len(FIXED)))
    magic, protocol, build_low, build_high, register_map = read(0, len(FIXED))
    major, minor = protocol >> 16, protocol & 0xFFFF
    if magic != expected:
        does = {MAGIC: "infers", MAGIC_LEARNING: "learns"}
        fault = does.get(magic, f"has magic {magic:#010x}")
        raise IdentityError(f"not an ndrite device that {does[expected]}: it {fault}")
    if major != PROTOCOL_MAJOR:
        older = "the gateware" if major < PROTOCOL_MAJOR else "the host (pip install -U ndrite)"
        raise IdentityError(
            f"device speaks protocol {major}.{minor}, this host {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}: "
            f"rebuild {older}"
        )
    # The geometry registers have the same addresses in all known register maps.
    geometry = _geometry(read) if register_map in known else None
    more = geometry and (geometry.map_codes if expected == MAGIC else geometry.step_tables)
    features = known[bool(more)]
    if geometry is None or register_map != features:
        raise IdentityError(
            f"device has register map {register_map:#010x}, this host {features:#010x}: "
            "rebuild the gateware from the same version as the host"
        )
    return Identity((major, minor), build_high << 32 | build_low, register_map, geometry)


def _geometry(read: Callable[[int, int], list[int]]) -> Geometry:
    names = [name for name in Geometry().hardware_fields() if GEOMETRY_PREFIX + name in BY_NAME]
    first = BY_NAME[GEOMETRY_PREFIX + names[0]].address
    words = dict(zip(names, read(first, len(names)), strict=True))
    words["step_tables"], word = divmod(words["lane_groups"], 1 << STEP_TABLES_BIT)
    more, words["lane_groups"] = divmod(word, 1 << LANE_ROWS_BIT)
    words["lane_rows"] = more + 1
    fields = {k: bool(v) if k in FEATURES else v for k, v in words.items()}
    # No register says whether inferences overlap; they do on every device with feature
    # maps or groups of lanes.
    overlap = bool(fields["map_codes"]) or fields["lane_groups"] > 1
    try:
        geometry = Geometry(name="device", overlap=overlap, **fields)  # type: ignore[arg-type]
    except GeometryError as error:
        raise IdentityError(f"device reports an impossible {error}: rebuild the gateware") from None
    for preset in PRESETS.values():
        if preset.hardware_fields() == geometry.hardware_fields():
            return dataclasses.replace(geometry, name=preset.name)
    return geometry
