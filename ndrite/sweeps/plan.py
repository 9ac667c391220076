"""plan: a YAML file becomes a list of points, each with a key that only its content decides."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from emulator.device.description import load_chip, parse_chip
from emulator.device.description.schema import SECTIONS
from emulator.device.fields import fields_of
from emulator.errors import ChipError, EmulatorError
from emulator.spec.archive import ArchiveError, read_array
from emulator.spec.state_file import code_digest
from emulator.yaml_file import read_yaml

POINTS_MAX = 1_000_000
ROW_FORMAT = 3  # of a point's row of results; 3: samples judged by are a `count`
SCALE = {
    "count": (1, 10_000, 1000),
    "trials": (1, 4096, 1),
    "chips": (0, 100_000, 0),
    "samples": (16, 5000, 512),
}
"""Field -> (least, greatest, default)."""


class SweepError(EmulatorError):
    """A sweep plan or its results folder that cannot be used."""


@dataclass(frozen=True)
class File:
    """A file as it was when the plan was read: path and SHA-256, hexadecimal."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> File:
        """``path`` as it is now. OSError when it cannot be read."""
        return cls(str(path.resolve()), hashlib.sha256(path.read_bytes()).hexdigest())

    def read(self) -> bytes:
        """Its content, read once. Raises SweepError when it is another than the plan was read with."""
        try:
            data = Path(self.path).read_bytes()
        except OSError as error:
            raise SweepError(f"{self.path}: cannot be read ({error.strerror})") from None
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise SweepError(f"{self.path} has changed since the plan was read; start the sweep again")
        return data

    def array(self) -> npt.NDArray[Any]:
        """The array in an ``.npy`` file. Raises SweepError when it is none."""
        try:
            return read_array(self.read())
        except ArchiveError as error:
            raise SweepError(f"{self.path}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination: everything a worker needs, plain values only.

    ``axes`` is what the plan varied, for the table.
    """

    network: File
    inputs: File | None
    labels: File | None
    chip: dict[str, Any]
    axes: tuple[tuple[str, Any], ...]
    seed: int
    count: int
    trials: int
    chips: int
    samples: int

    @property
    def key(self) -> str:
        """Hexadecimal digest of what decides the result: of files their contents, and this code's work."""
        content = dataclasses.asdict(self) | {"code": code_digest(), "row": ROW_FORMAT}
        del content["axes"]
        for name in ("network", "inputs", "labels"):
            content[name] = content[name] and content[name]["sha256"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep: its points, the axes in their order, the boards that work on it, and its fields as given."""

    name: str
    points: tuple[Point, ...]
    axes: tuple[str, ...]
    boards: tuple[str, ...]
    fields: dict[str, Any]


def load_plan(path: Path) -> Plan:
    """Read and check a plan.

    Its fields:

    - ``name``, ``chip`` (preset, file or joined).
    - ``networks``: list of files of networks, models or what `compile` wrote; the shipped one by default.
    - ``inputs`` and ``labels``: ``.npy`` files of samples and their classes, in place of a data set.
    - ``grid``: dotted chip field -> list of values; ``seeds``: list, or a count.
    - ``count`` of samples to judge by, after ``samples`` to calibrate with; ``trials``; ``chips``: virtual
      chips a point, 0: one individual chip.
    - ``boards``: list of URLs, ``golden:`` by default.

    Raises
    ------
    SweepError
        Naming file, field, value and what is accepted.
    ChipError, NetworkError
        A combination is no valid chip, or a network cannot be read.
    """
    content = read_yaml(path, SweepError)
    try:
        return _plan(content, path)
    except SweepError as error:
        raise SweepError(f"{path}: {error}") from None


def plan_of(content: Mapping[str, Any]) -> Plan:
    """A plan from its fields, as ``load_plan`` reads them; paths are relative to the working folder."""
    return _plan(dict(content), Path("sweep"))


def _plan(content: Any, path: Path) -> Plan:
    _require(isinstance(content, dict), "plan", type(content).__name__, "a mapping of fields")
    known = ("name", "chip", "networks", "inputs", "labels", "grid", "seeds", "boards", *SCALE)
    for key in content:
        _require(key in known, f"field {key}", "unknown", ", ".join(known))
    _require("chip" in content, "chip", "missing", "a preset, a YAML file, or several joined with +")
    scale = {}
    for name, (low, high, default) in SCALE.items():
        value = content.get(name, default)
        _require(type(value) is int and low <= value <= high, name, value, f"an integer, {low}..{high}")
        scale[name] = value
    _require(
        scale["chips"] > 0 or scale["trials"] == 1, "trials", scale["trials"], "1, unless chips is above 0"
    )
    seeds = _seeds(content.get("seeds", 1))
    grid = content.get("grid", {})
    _require(isinstance(grid, dict), "grid", grid, "a mapping of chip fields to lists")
    for field, values in grid.items():
        section, _, name = str(field).partition(".")
        accepted = section in SECTIONS and name in fields_of(SECTIONS[section])
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
    inputs, labels = _samples(content, path.parent, scale["samples"] + scale["count"])
    count = len(networks) * len(seeds)
    for values in grid.values():
        count *= len(values)
    _require(count <= POINTS_MAX, "number of points", count, f"at most {POINTS_MAX}")
    beside = path.parent / str(content["chip"])
    base = load_chip(str(beside if beside.is_file() else content["chip"])).as_dict()
    axes = tuple(grid) + (("network",) if len(networks) > 1 else ()) + (("seed",) if len(seeds) > 1 else ())
    points = []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        try:
            chip = dict(parse_chip(with_fields(base, varied)).as_dict())
        except ChipError as error:
            raise SweepError(f"grid point {varied}: {error}") from None
        for network, seed in itertools.product(networks, seeds):
            extra = {"network": Path(network.path).stem, "seed": seed}
            points.append(
                Point(
                    network=network,
                    inputs=inputs,
                    labels=labels,
                    chip=chip,
                    axes=tuple((varied | extra).items()),
                    seed=seed,
                    **scale,
                )
            )
    return Plan(
        name=str(content.get("name", path.stem)),
        points=tuple(points),
        axes=axes,
        boards=tuple(boards),
        fields=dict(content),
    )


def with_fields(chip: dict[str, Any], varied: dict[str, Any]) -> dict[str, Any]:
    """A copy of a description's content with dotted fields set."""
    content = json.loads(json.dumps(chip))
    for field, value in varied.items():
        section, _, name = field.partition(".")
        content.setdefault(section, {})[name] = value
    return dict(content)


def _seeds(value: Any) -> list[int]:
    if type(value) is int and 1 <= value <= POINTS_MAX:
        return list(range(value))
    good = (
        isinstance(value, list) and len(value) > 0 and all(type(s) is int and 0 <= s < 1 << 63 for s in value)
    )
    _require(good, "seeds", value, "a count, or a list of integers 0..2^63-1")
    return list(dict.fromkeys(value))


def _samples(content: dict[str, Any], folder: Path, wanted: int) -> tuple[File | None, File | None]:
    """The user's samples and classes, enough of both; (None, None) where the plan names none."""
    names = {field: content[field] for field in ("inputs", "labels") if field in content}
    if not names:
        return None, None
    _require(len(names) == 2, "fields", f"{', '.join(names)} alone", "inputs and labels, or neither")
    files, arrays = [], []
    for field, name in names.items():
        path = folder / str(name)
        _require(isinstance(name, str) and path.is_file(), field, name, "an existing .npy file")
        files.append(File.of(path))
        arrays.append(files[-1].array())
    x, labels = arrays
    _require(x.ndim >= 2 and len(x) >= wanted, "inputs", x.shape, f"(n, ...), n at least {wanted}")
    integers = labels.ndim == 1 and labels.dtype.kind in "ui"
    _require(
        integers and len(labels) == len(x),
        "labels",
        f"{labels.dtype} {labels.shape}",
        f"integers ({len(x)},)",
    )
    return files[0], files[1]


def _networks(names: Any, folder: Path) -> list[File]:
    from emulator.network import zoo

    if names is None:
        files = [Path(zoo.float_network())]
    else:
        good = isinstance(names, list) and len(names) > 0 and all(isinstance(n, str) for n in names)
        _require(good, "networks", names, "a list of files of networks or models")
        files = [folder / name for name in names]
    for file in files:
        _require(file.is_file(), "networks", file, "an existing file")
    return [File.of(file) for file in files]


def _require(ok: bool, what: str, value: object, accepted: str) -> None:
    if not ok:
        raise SweepError(f"{what} is {value}; accepted: {accepted}")
