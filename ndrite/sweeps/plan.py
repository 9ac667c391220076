"""plan: turns a YAML file into a list of points, each with a key computed from its content."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.description.schema import SECTIONS
from ndrite.emulator.device.fields import fields_of
from ndrite.emulator.errors import ChipError
from ndrite.emulator.network import zoo
from ndrite.emulator.yaml_file import read_yaml
from ndrite.runs import File, Run
from ndrite.sweeps.fields import Fields, Point, SweepError, axis_value, changed, checked, require_plan
from ndrite.sweeps.learning import COMMON, POINTS_MAX, learning_points, sample_files, seeds_of

FIELDS: Fields = {
    **{name: COMMON[name] for name in ("name", "chip")},
    "networks": (
        Annotated[list[str], Len(1)],
        None,
        "a list of files of networks or models, or of MODEL.py:FUNCTION",
    ),
    **{name: COMMON[name] for name in ("inputs", "labels", "grid", "seeds")},
    "count": (Annotated[int, Field(ge=1, le=10_000)], 1000, "an integer, 1..10000"),
    "trials": (Annotated[int, Field(ge=1, le=4096)], 1, "an integer, 1..4096"),
    "chips": (Annotated[int, Field(ge=0, le=100_000)], 0, "an integer, 0..100000"),
    "samples": (Annotated[int, Field(ge=16, le=5000)], 512, "an integer, 16..5000"),
    "channel_ranges": (Annotated[float, Field(ge=0, le=1)], None, "a share, 0.0..1.0"),
}
SCALE = ("count", "trials", "chips", "samples")
MODULE = re.compile(r"(.+\.py):(\w+)")
"""A function of a user's file that returns a PyTorch module."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep: its points, the names of its axes in order, whether its points train in
    situ (``learns``), and whether they are PyTorch modules, judged by the metric in
    their file (``modules``)."""

    name: str
    points: tuple[Point, ...]
    axes: tuple[str, ...]
    learns: bool = False
    modules: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the names of the modules that every worker must be able to import to
        compute the points of the sweep."""
        if self.learns:
            return ("ndrite.sweeps.trained",)
        if self.modules:
            return ("ndrite.sweeps.modules", "torch")
        of_suffix = {".onnx": ("onnx",), ".pt": ("onnx", "torch"), ".pth": ("onnx", "torch")}
        suffixes = {Path(point.run.parameters["network"].path).suffix for point in self.points}
        return ("ndrite.sweeps.run", *(name for suffix in suffixes for name in of_suffix.get(suffix, ())))


def load_plan(path: Path) -> Plan:
    """Read a sweep plan from a file and check it.

    Its fields:

    - ``name``, ``chip`` (preset, file or joined).
    - ``networks``: list of files of networks, models or what `compile` wrote; the
      shipped one by default. Or PyTorch modules, each ``MODEL.py:FUNCTION``, whose file
      has samples and metric (``ndrite.explain``).
    - ``channel_ranges`` of modules, as for ``ndrite.analog``.
    - ``inputs`` and ``labels``: ``.npy`` files of samples and their classes, in
      place of a data set.
    - ``grid``: dotted chip field -> list of values; ``seeds``: list, or a count.
    - ``learn``: training in situ at each point in place of networks
      (``ndrite.sweeps.learning``).
    - ``count`` of samples to judge by, after ``samples`` to calibrate with; ``trials``;
      ``chips``: virtual chips a point, 0: one individual chip.

    Raises SweepError: naming file, field, value and what is accepted. Raises ChipError,
    NetworkError: a combination is no valid chip, or a network cannot be read.
    """
    content = read_yaml(path, SweepError)
    try:
        return _plan(content, path)
    except SweepError as error:
        raise SweepError(f"{path}: {error}") from None


def plan_of(content: Mapping[str, Any]) -> Plan:
    """Create a sweep plan from fields in the form that ``load_plan`` reads; paths are
    relative to the working folder."""
    return _plan(dict(content), Path("sweep"))


def _plan(content: Any, path: Path) -> Plan:
    if isinstance(content, dict) and "learn" in content:
        name, learning, axes = learning_points(content, path)
        return Plan(name=name, points=learning, axes=axes, learns=True)
    fields = checked(content, FIELDS)
    require_plan(fields["chip"] is not None, "chip", "missing", FIELDS["chip"][2])
    require_plan(
        fields["chips"] > 0 or fields["trials"] == 1, "trials", fields["trials"], "1, unless chips is above 0"
    )
    grid, seeds = fields["grid"], seeds_of(fields)
    for field, values in grid.items():
        section, _, name = field.partition(".")
        accepted = section in SECTIONS and name in fields_of(SECTIONS[section])
        require_plan(accepted, f"grid field {field}", "unknown", "section.field of a chip description")
        require_plan(
            isinstance(values, list) and len(values) > 0, f"grid.{field}", values, "a list of values"
        )
    networks, modules = _networks(fields["networks"] or (), path.parent)
    common: dict[str, Any] = {}
    if modules:
        for field in ("inputs", "labels", *SCALE):
            expected = "none with modules, whose file has samples and metric"
            require_plan(field not in content, field, content.get(field), expected)
        common = {"channel_ranges": fields["channel_ranges"]}
    else:
        share = fields["channel_ranges"]
        require_plan(
            share is None, "channel_ranges", share, "none without modules (networks: MODEL.py:FUNCTION)"
        )
        inputs, labels = _samples(fields, path.parent, fields["samples"] + fields["count"])
        common = {"inputs": inputs, "labels": labels, **{name: fields[name] for name in SCALE}}
    function = "ndrite.sweeps.modules:module_point" if modules else "ndrite.sweeps.run:run_point"
    count = len(networks) * len(seeds) * math.prod(len(values) for values in grid.values())
    require_plan(count <= POINTS_MAX, "number of points", count, f"at most {POINTS_MAX}")
    chip_file = path.parent / fields["chip"]
    base = load_chip(str(chip_file if chip_file.is_file() else fields["chip"]))
    points = []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        try:
            chip = changed(base, varied)
        except ChipError as error:
            raise SweepError(f"grid point {varied}: {error}") from None
        for field, value in varied.items():
            if (actual := chip.fields()[field]) != value and not isinstance(value, list | dict):
                raise SweepError(
                    f"grid.{field} is {value}; accepted: {actual}, the value that the chip's other fields "
                    "determine; vary those fields instead"
                )
        for (name, network), seed in itertools.product(networks.items(), seeds):
            axis_values = {f: axis_value(v) for f, v in varied.items()}
            run = Run(function, {**network, "chip": chip.as_dict(), "seed": seed, **common})
            points.append(Point(run, axis_values | {"network": name, "seed": seed}))
    return Plan(
        name=fields["name"] or path.stem,
        points=tuple(points),
        axes=(*grid, *("network",) * (len(networks) > 1), *("seed",) * (len(seeds) > 1)),
        modules=modules,
    )


def _networks(names: Iterable[str], folder: Path) -> tuple[dict[str, dict[str, Any]], bool]:
    """Return the parameters of the runs for each network, by the network's name in the
    table, and whether the networks are PyTorch modules. If no networks are named, the
    network that ships with the package is used."""
    functions = {name: module_match for name in names if (module_match := MODULE.fullmatch(name))}
    files = {name: folder / (functions[name][1] if name in functions else name) for name in names}
    files = files or {"": Path(zoo.float_network())}
    for file in files.values():
        require_plan(file.is_file(), "networks", file, "an existing file")
    if functions:
        accepted = "modules alone, or files of networks alone"
        require_plan(len(functions) == len(files), "networks", list(files), accepted)
        return {
            name: {"source": File.of(file), "function": functions[name][2]} for name, file in files.items()
        }, True
    apart = len({file.stem for file in files.values()}) == len(files)
    return {file.stem if apart else str(file): {"network": File.of(file)} for file in files.values()}, False


def _samples(content: dict[str, Any], folder: Path, wanted: int) -> tuple[File | None, File | None]:
    """Return the files of the user's samples and classes, after checking that they have
    equally many samples; (None, None) if the plan names none."""
    files = sample_files(content, folder)
    if not files:
        return None, None
    x, labels = (file.array() for file in files.values())
    parts = f"samples {content['samples']} to calibrate and count {content['count']} to judge"
    need = f"(n, ...), n at least {wanted}: {parts}"
    require_plan(x.ndim >= 2 and len(x) >= wanted, "inputs", x.shape, need)
    fits = labels.ndim == 1 and len(labels) == len(x)
    require_plan(fits, "labels", f"{labels.dtype} {labels.shape}", f"({len(x)},), a label per sample")
    return files["inputs"], files["labels"]
