"""learning: sweep plans whose points train in situ: with which rule and device, each at
the best of several learning rates.

A plan has ``learn``, a mapping of ``LEARN``'s fields, beside ``chip`` (converters,
read noise and neurons), ``seeds`` and ``grid``. An axis of the grid is
``learn.FIELD``; ``device.FIELD``, a field of the weights' device, or one of its
``states``, ``asymmetry`` and ``noise`` (``insitu.Place``), which make it a linear-step
device; or ``section.field`` of the chip. Every point is one run over all rates and
seeds: the rate that is best on held-out samples, on average over the seeds, is judged
on the test samples.
"""

import itertools
import math
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Len
from pydantic import Field

from ndrite.emulator.device.description import Chip, load_chip, parse_chip
from ndrite.emulator.device.description.schema import SECTIONS
from ndrite.emulator.device.fields import fields_of
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning import insitu
from ndrite.runs import File, Run
from ndrite.samples import DATA
from ndrite.sweeps.fields import Fields, Point, SweepError, axis_value, changed, checked, require_plan

POINTS_MAX = 1_000_000
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
COMMON: Fields = {
    "name": (str, None, "text"),
    "chip": (str, None, "a preset, a YAML file, or several joined with +"),
    "inputs": (str, None, "an existing .npy file"),
    "labels": (str, None, "an existing .npy file"),
    "grid": (dict[str, Any], {}, "a mapping of fields to lists"),
    "seeds": (
        Annotated[int, Field(ge=1, le=POINTS_MAX)] | Annotated[list[Seed], Len(1)],
        1,
        "a count, or a list of integers 0..2^63-1",
    ),
}
"""Fields that every sweep plan may have."""


def _number(low: float, high: float) -> Any:
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]


def _choice(*values: str) -> tuple[Any, str, str]:
    return Literal[values], values[0], ", ".join(values)


RATE: Any = _number(0, 10)
LEARN: Fields = {
    "data": (Literal[tuple(DATA)], None, f"{', '.join(DATA)}; default without own samples: digits"),
    "hidden": (
        Annotated[str, Field(pattern=r"^\d+(,\d+)*$")],
        "32",
        'text: widths such as "32" or "64,32"; "0": none',
    ),
    "neuron": _choice("ndr", "relu", "sigmoid", "tanh"),
    "device": (str | dict[str, Any], "ecram-tang2018", "a preset, a YAML file, or several joined with +"),
    "rule": _choice("stochastic", "manhattan", *insitu.THRESHOLDS),
    "rates": (Annotated[list[RATE], Len(1)], [0.003, 0.01, 0.03, 0.1], "a list of numbers 0..10"),
    "hidden_rate": (_number(0, 1e3), 1.0, "a number, 0..1000"),
    "slots": (Annotated[int, Field(ge=1, le=31)], 15, "an integer, 1..31"),
    "threshold": (_number(0.1, 100_000) | None, None, "a number, 0.1..100000"),
    "reference_error": (_number(0, 1), 0.0, "a number, 0..1"),
    "tiles": (Annotated[int, Field(ge=2, le=8)] | None, None, "an integer, 2..8"),
    "gamma": (_number(1e-4, 1) | None, None, "a number, 0.0001..1"),
    "chopper_period": (Annotated[int, Field(ge=1, le=255)] | None, None, "an integer, 1..255"),
    "transfer_noise": (bool, False, "true or false"),
    "bound": (_number(1e-3, 100), 1.0, "a number, 0.001..100"),
    "epochs": (Annotated[int, Field(ge=1, le=100_000)], 20, "an integer, 1..100000"),
    "samples": (Annotated[int, Field(ge=16, le=1_000_000)], 600, "an integer, 16..1000000"),
    "held_out": (Annotated[int, Field(ge=1, le=1_000_000)], 200, "an integer, 1..1000000"),
}
"""Fields of the plan's section ``learn``; they mean the same as the parameters of
``ndrite learn`` of these names. Of the ``rates`` the best one counts, judged on the
``held_out`` samples that follow the ``samples`` learned from."""


def seeds_of(fields: dict[str, Any]) -> list[int]:
    """Return the seeds that a sweep plan lists, without duplicates."""
    seeds = fields["seeds"]
    return list(range(seeds)) if isinstance(seeds, int) else list(dict.fromkeys(seeds))


def learning_points(content: dict[str, Any], path: Path) -> tuple[str, tuple[Point, ...], tuple[str, ...]]:
    """Return name, points and axes of a sweep plan whose points train a network in
    situ. SweepError names field, value and what is accepted."""
    kinds = {"chip": (str | dict[str, Any], None, COMMON["chip"][2]), "learn": (Any, None, "")}
    fields = checked(content, {**COMMON, **kinds})
    require_plan(fields["chip"] is not None, "chip", "missing", COMMON["chip"][2])
    common = checked(fields["learn"] or {}, LEARN, "learn")
    grid, seeds = fields["grid"], seeds_of(fields)
    for axis, values in grid.items():
        _check_axis(axis, values)
    count = math.prod(len(values) for values in grid.values())
    require_plan(count <= POINTS_MAX, "number of points", count, f"at most {POINTS_MAX}")
    files = sample_files(fields, path.parent)
    require_plan(common["data"] is None or not files, "learn.data", common["data"], "none, with own samples")
    chip, points = _loaded(fields["chip"], "", path.parent), []
    for values in itertools.product(*grid.values()):
        varied = dict(zip(grid, values, strict=True))
        try:
            run = _run(chip, common, varied, path.parent)
        except EmulatorError as error:
            raise SweepError(f"grid point {varied}: {error}" if varied else str(error)) from None
        parameters = {"inputs": None, "labels": None, **files, **run, "seeds": seeds}
        axes = {axis: axis_value(value) for axis, value in varied.items()}
        points.append(Point(Run("ndrite.sweeps.trained:learn_point", parameters), axes))
    return fields["name"] or path.stem, tuple(points), tuple(grid)


def _check_axis(axis: str, values: object) -> None:
    """Raise SweepError for an unknown axis, or for values that are not a list."""
    section, _, field = axis.partition(".")
    fields_of_section: dict[str, Collection[str]] = {name: fields_of(kind) for name, kind in SECTIONS.items()}
    fields_of_section |= {"learn": LEARN, "device": {*fields_of_section["ecram"], *insitu.Place._fields}}
    fits = field in fields_of_section.get(section, ())
    require_plan(
        fits, f"grid field {axis}", "unknown", "learn.FIELD, device.FIELD or section.field of a chip"
    )
    require_plan(isinstance(values, list) and bool(values), f"grid.{axis}", values, "a list of values")


def sample_files(fields: dict[str, Any], folder: Path) -> dict[str, File]:
    """Return the files of the user's samples and classes by parameter name; empty if
    the plan names no files."""
    names = {name: fields[name] for name in ("inputs", "labels") if fields[name] is not None}
    require_plan(len(names) != 1, "fields", f"{', '.join(names)} alone", "inputs and labels, or neither")
    for name, file in names.items():
        require_plan((folder / file).is_file(), name, file, COMMON[name][2])
    return {name: File.of(folder / file) for name, file in names.items()}


def _loaded(name: str | dict[str, Any], base: str, folder: Path) -> Chip:
    """Load a chip description from its content, or by its name, completed from
    ``base``; a file beside the plan takes precedence over a preset of that name."""
    if isinstance(name, dict):
        return parse_chip(name)
    parts = [str(folder / part) if (folder / part).is_file() else part for part in name.split("+")]
    return load_chip("+".join([base, *parts] if base else parts))


def _run(chip: Chip, common: dict[str, Any], varied: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the parameters of the run that computes a point: chip and device as plain
    values, and the training options."""
    of_section: dict[str, dict[str, Any]] = {"learn": {}, "device": {}}
    for axis, value in varied.items():
        section, _, field = axis.partition(".")
        of_section.setdefault(section, {})[field] = value
    learn_fields, device_fields = of_section.pop("learn"), of_section.pop("device")
    checked(learn_fields, LEARN, "learn")
    learn = common | learn_fields
    insitu.fields_of_rule(learn["rule"], **{name: learn[name] for name in insitu.OF_RULES})
    device = _loaded(learn.pop("device"), "ideal", folder)
    chip_fields = {
        f"{section}.{field}": v for section, values in of_section.items() for field, v in values.items()
    }
    return {
        "chip": changed(chip, chip_fields).as_dict(),
        "device": _device(device, device_fields).as_dict(),
        "learn": learn,
    }


def _device(device: Chip, varied: dict[str, Any]) -> Chip:
    """Return the weights' ``device`` with the ``varied`` values applied: first the
    fields of its description, then its position on the atlas map (states,
    asymmetry, noise)."""
    place = {field: varied[field] for field in insitu.Place._fields if field in varied}
    device = changed(device, {f"ecram.{field}": v for field, v in varied.items() if field not in place})
    law = insitu.law_of_weights(device, device.name)
    for field, value in place.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        require_plan(is_number, f"device.{field}", value, "a number")
    return insitu.placed(device, insitu.place_of(law)._replace(**place)) if place else device
