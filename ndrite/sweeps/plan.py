"""plan: a YAML file becomes a list of points, each with a key that only its content decides."""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from annotated_types import Len
from pydantic import Field, TypeAdapter, ValidationError

from ndrite.emulator.device.description import load_chip, parse_chip
from ndrite.emulator.device.description.schema import SECTIONS
from ndrite.emulator.device.fields import fields_of
from ndrite.emulator.errors import ChipError
from ndrite.emulator.network import zoo
from ndrite.emulator.spec.errors import require
from ndrite.emulator.yaml_file import read_yaml
from ndrite.runs import File, Run
from ndrite.runs.run import RunError

POINTS_MAX = 1_000_000
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
FIELDS: dict[str, tuple[Any, Any, str]] = {
    "name": (str, None, "text"),
    "chip": (str, None, "a preset, a YAML file, or several joined with +"),
    "networks": (Annotated[list[str], Len(1)], None, "a list of files of networks or models"),
    "inputs": (str, None, "an existing .npy file"),
    "labels": (str, None, "an existing .npy file"),
    "grid": (dict[str, Any], {}, "a mapping of chip fields to lists"),
    "seeds": (
        Annotated[int, Field(ge=1, le=POINTS_MAX)] | Annotated[list[Seed], Len(1)],
        1,
        "a count, or a list of integers 0..2^63-1",
    ),
    "count": (Annotated[int, Field(ge=1, le=10_000)], 1000, "an integer, 1..10000"),
    "trials": (Annotated[int, Field(ge=1, le=4096)], 1, "an integer, 1..4096"),
    "chips": (Annotated[int, Field(ge=0, le=100_000)], 0, "an integer, 0..100000"),
    "samples": (Annotated[int, Field(ge=16, le=5000)], 512, "an integer, 16..5000"),
}
"""Field -> what it takes, its default, and the first in words."""
SCALE = ("count", "trials", "chips", "samples")


class SweepError(RunError):
    """A sweep plan that cannot be used."""


_require = partial(require, error=SweepError)


class Point(NamedTuple):
    """One combination: a call of ``run_point``, and ``axes``, what the plan varied, for the table."""

    run: Run
    axes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep: its points, and the axes in their order."""

    name: str
    points: tuple[Point, ...]
    axes: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules that points import, wherever they are computed."""
        of_suffix = {".onnx": ("onnx",), ".pt": ("onnx", "torch"), ".pth": ("onnx", "torch")}
        suffixes = {Path(point.run.parameters["network"].path).suffix for point in self.points}
        return ("ndrite.sweeps.run", *(name for suffix in suffixes for name in of_suffix.get(suffix, ())))


def load_plan(path: Path) -> Plan:
    """Read and check a plan.

    Its fields:

    - ``name``, ``chip`` (preset, file or joined).
    - ``networks``: list of files of networks, models or what `compile` wrote; the shipped one by default.
    - ``inputs`` and ``labels``: ``.npy`` files of samples and their classes, in place of a data set.
    - ``grid``: dotted chip field -> list of values; ``seeds``: list, or a count.
    - ``count`` of samples to judge by, after ``samples`` to calibrate with; ``trials``; ``chips``: virtual
      chips a point, 0: one individual chip.

    Raises SweepError: naming file, field, value and what is accepted. Raises ChipError, NetworkError: a
    combination is no valid chip, or a network cannot be read.
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
    fields = _fields(content)
    _require(fields["chip"] is not None, "chip", "missing", FIELDS["chip"][2])
    _require(
        fields["chips"] > 0 or fields["trials"] == 1, "trials", fields["trials"], "1, unless chips is above 0"
    )
    grid, seeds = fields["grid"], fields["seeds"]
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(dict.fromkeys(seeds))
    for field, values in grid.items():
        section, _, name = field.partition(".")
        accepted = section in SECTIONS and name in fields_of(SECTIONS[section])
        _require(accepted, f"grid field {field}", "unknown", "section.field of a chip description")
        _require(isinstance(values, list) and len(values) > 0, f"grid.{field}", values, "a list of values")
    files = [path.parent / name for name in fields["networks"] or ()] or [Path(zoo.float_network())]
    for file in files:
        _require(file.is_file(), "networks", file, "an existing file")
    apart = len({file.stem for file in files}) == len(files)
    networks = {file.stem if apart else str(file): File.of(file) for file in files}
    inputs, labels = _samples(fields, path.parent, fields["samples"] + fields["count"])
    count = len(networks) * len(seeds) * math.prod(len(values) for values in grid.values())
    _require(count <= POINTS_MAX, "number of points", count, f"at most {POINTS_MAX}")
    chip_file = path.parent / fields["chip"]
    base = load_chip(str(chip_file if chip_file.is_file() else fields["chip"])).as_dict()
    if base["cell"]["on_off_ratio"] is not None:
        base["cell"]["g_min_uS"] = 0.0  # it follows at every point
    points, scale = [], {name: fields[name] for name in SCALE}
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        try:
            chip = parse_chip(with_fields(base, varied))
        except ChipError as error:
            raise SweepError(f"grid point {varied}: {error}") from None
        for field, value in varied.items():
            if (actual := chip.fields()[field]) != value and not isinstance(value, list | dict):
                raise SweepError(f"grid.{field} is {value}; accepted: {actual}, as other fields say")
        for (name, network), seed in itertools.product(networks.items(), seeds):
            axis_values = {
                f: v if isinstance(v, bool | int | float | None) else str(v) for f, v in varied.items()
            }
            own = {"network": network, "chip": chip.as_dict(), "seed": seed}
            run = Run("ndrite.sweeps.run:run_point", {"inputs": inputs, "labels": labels, **own, **scale})
            points.append(Point(run, axis_values | {"network": name, "seed": seed}))
    return Plan(
        name=fields["name"] or path.stem,
        points=tuple(points),
        axes=(*grid, *("network",) * (len(networks) > 1), *("seed",) * (len(seeds) > 1)),
    )


def _fields(content: Any) -> dict[str, Any]:
    """Fields of a plan: given values, checked, or their defaults."""
    _require(isinstance(content, dict), "plan", type(content).__name__, "a mapping of fields")
    for name in content:
        _require(name in FIELDS, f"field {name}", "unknown", ", ".join(FIELDS))
    fields: dict[str, Any] = {name: default for name, (_, default, _) in FIELDS.items()} | content
    for name, value in content.items():
        kind, _, accepted = FIELDS[name]
        try:
            TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError:
            raise SweepError(f"{name} is {value}; accepted: {accepted}") from None
    return fields


def with_fields(chip: dict[str, Any], varied: dict[str, Any]) -> dict[str, Any]:
    """A copy of a description's content with dotted fields set."""
    content = json.loads(json.dumps(chip))
    for field, value in varied.items():
        section, _, name = field.partition(".")
        content.setdefault(section, {})[name] = value
    return dict(content)


def _samples(content: dict[str, Any], folder: Path, wanted: int) -> tuple[File | None, File | None]:
    """The user's samples and classes, enough of both; (None, None) where the plan names none."""
    names = {field: content[field] for field in ("inputs", "labels") if content[field] is not None}
    if not names:
        return None, None
    _require(len(names) == 2, "fields", f"{', '.join(names)} alone", "inputs and labels, or neither")
    for field, name in names.items():
        _require((folder / name).is_file(), field, name, FIELDS[field][2])
    files = [File.of(folder / name) for name in names.values()]
    x, labels = (file.array() for file in files)
    parts = f"samples {content['samples']} to calibrate and count {content['count']} to judge"
    need = f"(n, ...), n at least {wanted}: {parts}"
    _require(x.ndim >= 2 and len(x) >= wanted, "inputs", x.shape, need)
    fits = labels.ndim == 1 and len(labels) == len(x)
    _require(fits, "labels", f"{labels.dtype} {labels.shape}", f"({len(x)},), a label per sample")
    return files[0], files[1]
