"""plan: a YAML file becomes a list of points, each with a key that only its content decides."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emulator.chips import load_chip, parse_chip
from emulator.chips.schema import SECTIONS
from emulator.errors import ChipError, EmulatorError

POINTS_MAX = 1_000_000
SCALE = {
    "images": (1, 10_000, 1000),
    "draws": (1, 4096, 1),
    "chips": (0, 100_000, 0),
    "samples": (16, 5000, 512),
}
"""Field -> (least, greatest, default)."""


class SweepError(EmulatorError):
    """A sweep plan or its results folder that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination: everything a worker needs, plain values only.

    ``fields`` are chip fields by dotted name; ``axes`` what the plan varied, for the table.
    """

    network: str
    network_checksum: str
    chip: dict[str, Any]
    axes: tuple[tuple[str, Any], ...]
    seed: int
    images: int
    draws: int
    chips: int
    samples: int

    @property
    def key(self) -> str:
        """Hexadecimal digest of what decides the result."""
        content = dataclasses.asdict(self)
        del content["axes"], content["network"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep: its points, the axes in their order, and the boards that work on it."""

    name: str
    points: tuple[Point, ...]
    axes: tuple[str, ...]
    boards: tuple[str, ...]


def load_plan(path: Path) -> Plan:
    """Read and check a plan.

    Fields: ``name``, ``chip`` (preset, file or joined), ``networks`` (list of float networks; the shipped
    one by default), ``grid`` (dotted chip field -> list of values), ``seeds`` (list, or a count), ``images``,
    ``draws``, ``chips`` (virtual chips a point; 0: one individual chip, programmed by its seed),
    ``samples``, ``boards`` (list of URLs, ``golden:`` by default).

    Raises
    ------
    SweepError
        Naming file, field, value and what is accepted.
    ChipError, NetworkError
        A combination is no valid chip, or a network cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SweepError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SweepError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    try:
        return _plan(content, path)
    except SweepError as error:
        raise SweepError(f"{path}: {error}") from None


def _plan(content: Any, path: Path) -> Plan:
    _require(isinstance(content, dict), "plan", type(content).__name__, "a mapping of fields")
    known = ("name", "chip", "networks", "grid", "seeds", "boards", *SCALE)
    for key in content:
        _require(key in known, f"field {key}", "unknown", ", ".join(known))
    _require("chip" in content, "chip", "missing", "a preset, a YAML file, or several joined with +")
    scale = {}
    for name, (low, high, default) in SCALE.items():
        value = content.get(name, default)
        _require(type(value) is int and low <= value <= high, name, value, f"an integer, {low}..{high}")
        scale[name] = value
    _require(scale["chips"] > 0 or scale["draws"] == 1, "draws", scale["draws"], "1, unless chips is above 0")
    seeds = _seeds(content.get("seeds", 1))
    grid = content.get("grid", {})
    _require(isinstance(grid, dict), "grid", grid, "a mapping of chip fields to lists")
    for field, values in grid.items():
        section, _, name = str(field).partition(".")
        accepted = section in SECTIONS and name in {f.name for f in dataclasses.fields(SECTIONS[section])}
        _require(accepted, f"grid field {field}", "unknown", "section.field of a chip description")
        _require(isinstance(values, list) and len(values) > 0, f"grid.{field}", values, "a list of values")
    boards = content.get("boards", ["golden:"])
    _require(
        isinstance(boards, list) and len(boards) > 0 and all(isinstance(b, str) for b in boards),
        "boards",
        boards,
        "a list of board URLs",
    )
    networks = _networks(content.get("networks"), path.parent)
    count = len(networks) * len(seeds)
    for values in grid.values():
        count *= len(values)
    _require(count <= POINTS_MAX, "number of points", count, f"at most {POINTS_MAX}")
    base = load_chip(_chip_name(content["chip"], path.parent)).as_dict()
    axes = tuple(grid) + (("network",) if len(networks) > 1 else ()) + (("seed",) if len(seeds) > 1 else ())
    points = []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        chip = _with_fields(base, varied)
        for (network, checksum), seed in itertools.product(networks, seeds):
            extra = {"network": Path(network).stem, "seed": seed}
            points.append(
                Point(
                    network=network,
                    network_checksum=checksum,
                    chip=chip,
                    axes=tuple((varied | extra).items()),
                    seed=seed,
                    **scale,
                )
            )
    return Plan(
        name=str(content.get("name", path.stem)), points=tuple(points), axes=axes, boards=tuple(boards)
    )


def _with_fields(base: dict[str, Any], varied: dict[str, Any]) -> dict[str, Any]:
    chip = json.loads(json.dumps(base))
    for field, value in varied.items():
        section, _, name = field.partition(".")
        chip.setdefault(section, {})[name] = value
    try:
        return dict(parse_chip(chip).as_dict())
    except ChipError as error:
        raise SweepError(f"grid point {varied}: {error}") from None


def _seeds(value: Any) -> list[int]:
    if type(value) is int and 1 <= value <= POINTS_MAX:
        return list(range(value))
    good = (
        isinstance(value, list) and len(value) > 0 and all(type(s) is int and 0 <= s < 1 << 63 for s in value)
    )
    _require(good, "seeds", value, "a count, or a list of integers 0..2^63-1")
    return list(dict.fromkeys(value))


def _chip_name(name: Any, folder: Path) -> str:
    beside = folder / str(name)
    return str(beside) if beside.is_file() else str(name)


def _networks(names: Any, folder: Path) -> list[tuple[str, str]]:
    from emulator import zoo

    if names is None:
        files = [Path(zoo.float_network())]
    else:
        good = isinstance(names, list) and len(names) > 0 and all(isinstance(n, str) for n in names)
        _require(good, "networks", names, "a list of float network files")
        files = [folder / name for name in names]
    for file in files:
        _require(file.is_file(), "networks", file, "an existing file")
    return [(str(f.resolve()), hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]


def _require(ok: bool, what: str, value: object, accepted: str) -> None:
    if not ok:
        raise SweepError(f"{what} is {value}; accepted: {accepted}")
