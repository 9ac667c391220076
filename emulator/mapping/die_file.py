"""The file of a die: an ``.npz`` without pickled objects.

Drawn are the programmed conductances, stuck cells and ageing; what time and wires make of them follows.
"""

import dataclasses
import os
from typing import Any

import numpy as np

from ndrite.emulator.device.description import parse_chip
from ndrite.emulator.device.ndr.curves import NdrModel
from ndrite.emulator.device.ndr.curves import Table as MeasuredTable
from ndrite.emulator.device.ndr.tuning import scaled_device
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.errors import CompileError, EmulatorError
from ndrite.emulator.mapping.cells import Cells
from ndrite.emulator.mapping.columns import BiasCells, Columns
from ndrite.emulator.mapping.devices import Neurons, ndr_neurons
from ndrite.emulator.mapping.die import Die, DieArray, DieTable, aged
from ndrite.emulator.mapping.mitigation import Mitigation
from ndrite.emulator.mapping.ranges import AdcRange
from ndrite.emulator.mapping.states import States
from ndrite.emulator.mapping.weights import MappedWeights
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.archive import FIELD, Arrays, FileKind
from ndrite.emulator.spec.arrays import Floats

BYTES_MAX = 4 << 30
FILE = FileKind("die", 1, CompileError, known=(EmulatorError,), most_bytes=BYTES_MAX, total_bytes=BYTES_MAX)
WEIGHTS = {name: name for name in ("levels", "limits", "unit")}
WEIGHTS |= {name: f"cells.{name}" for name in ("target", "programmed", "stuck", "ageing", "place")}
WEIGHTS["row_voltage"] = "cells.row_voltage_V"
ARRAY = {name: name for name in ("step", "skip_gain", "bias.asked", "bias.fixed")}
ARRAY |= {f"{of}.{name}": f"{of}.{name}" for of in ("designed", "built") for name in ("gain", "offset")}
ARRAY |= {f"column.{name}": f"columns.{name}" for name in ("gain", "offset")}
NEURONS = {f"neuron.{name}": name for name in ("heights", "peaks")}
NEURONS |= {f"state.{f.name}": f"states.{f.name}" for f in dataclasses.fields(States)}
"""Names of arrays in the file -> attributes of mapped weights, an array, neurons: what does not follow from
the rest."""


def die_digest(die: Die) -> str:
    """SHA-256, hexadecimal, over everything the die holds."""
    return str(FILE.written(*_content(die))[FIELD])


def save_die(die: Die, path: str | os.PathLike[str]) -> None:
    """Write the file in whole or not at all (temporary file, then rename)."""
    FILE.save(path, *_content(die))


def load_die(path: str | os.PathLike[str], program: Program | None = None) -> Die:
    """Read and verify a file; given a program, refuse the die of another.

    The program names the digest that the file was written with: a description that has gained fields since
    changes nothing of it. Raises FileNotFoundError when there is no such file. Raises CompileError when it is
    no die of this format, is damaged, or another program's.
    """

    def assemble(manifest: dict[str, Any], arrays: Arrays) -> Die:
        if program is not None and program.provenance.get("die") != manifest[FIELD]:
            raise CompileError(
                f"the die of another program than {program.name}; accepted: the one written with it"
            )
        return _assemble(manifest, arrays)

    return FILE.load(path, assemble)


def _content(die: Die) -> tuple[dict[str, Any], Arrays]:
    arrays: Arrays = {}
    manifest = {
        "chip": die.chip.as_dict(),
        "seed": die.seed,
        "network": die.network,
        "nominal": die.nominal,
        "mitigation": dataclasses.asdict(die.mitigation),
        "arrays": [_entry(f"array{i}", array, arrays) for i, array in enumerate(die.arrays)],
    }
    if die.tables:
        manifest["tables"] = [_table_entry(f"table{i}", table, arrays) for i, table in enumerate(die.tables)]
    return manifest, arrays


def _table_entry(where: str, table: DieTable | None, arrays: Arrays) -> int | None:
    if table is None:
        return None
    _put(where, table, {"gain": "gain", "shift": "shift"}, arrays)
    return _put_neurons(where, table.neurons, arrays)


def _entry(where: str, array: DieArray, arrays: Arrays) -> dict[str, Any]:
    _put(where, array, ARRAY, arrays)
    _put(where, array.mapped, WEIGHTS, arrays)
    entry: dict[str, Any] = {
        "full_scale_uS": array.mapped.full_scale_uS,
        "limited": array.mapped.limited,
        "designed": [array.designed.shift, array.designed.clipped],
        "built": [array.built.shift, array.built.clipped],
        "skip_shift": array.skip_shift,
        "window": None if array.window is None else dataclasses.asdict(array.window),
        "neurons": None if array.neurons is None else _put_neurons(where, array.neurons, arrays),
    }
    if array.columns is not None:
        entry["column_noise"] = array.columns.noise
    if array.bias is not None:
        entry["bias"] = [array.bias.mapped.full_scale_uS, array.bias.mapped.limited]
        _put(f"{where}.bias", array.bias.mapped, WEIGHTS, arrays)
    return entry


def _put_neurons(where: str, neurons: Neurons, arrays: Arrays) -> int:
    """What cannot be worked out of a layer's neurons; how many are out of reach."""
    _put(where, neurons, NEURONS, arrays)
    if neurons.devices is not None:
        arrays[f"{where}.neuron.devices"] = np.stack([_parameters(device) for device in neurons.devices])
    return neurons.unreachable


def _put(where: str, record: Any, names: dict[str, str], arrays: Arrays) -> None:
    """Those of ``names`` that ``record`` has into ``arrays``: name behind ``where`` -> attribute."""
    for name, path in names.items():
        value = record
        for part in path.split("."):
            value = None if value is None else getattr(value, part)
        if value is not None:
            arrays[f"{where}.{name}"] = value


def _assemble(manifest: dict[str, Any], arrays: Arrays) -> Die:
    chip = parse_chip(manifest["chip"])
    die = Die(
        chip=chip,
        seed=int(manifest["seed"]),
        network=str(manifest["network"]),
        arrays=(),
        nominal=bool(manifest["nominal"]),
        mitigation=Mitigation(**manifest["mitigation"]),
    )
    read = [_array(f"array{i}.", entry, arrays, die) for i, entry in enumerate(manifest["arrays"])]
    tables = [_table(f"table{i}.", entry, arrays, die) for i, entry in enumerate(manifest.get("tables", ()))]
    return dataclasses.replace(die, arrays=tuple(read), tables=tuple(tables))


def _table(where: str, unreachable: int | None, arrays: Arrays, die: Die) -> DieTable | None:
    if unreachable is None:
        return None
    table_arrays = {name.removeprefix(where): a for name, a in arrays.items() if name.startswith(where)}
    return DieTable(
        _neurons(table_arrays, int(unreachable), die), table_arrays["gain"], table_arrays["shift"]
    )


def _array(where: str, entry: dict[str, Any], arrays: Arrays, die: Die) -> DieArray:
    parts = {name.removeprefix(where): a for name, a in arrays.items() if name.startswith(where)}
    mapped = _mapped(parts, float(entry["full_scale_uS"]), int(entry["limited"]), die)
    columns, bias = None, None
    if "column_noise" in entry:
        columns = Columns(parts["column.gain"], parts["column.offset"], float(entry["column_noise"]))
    if "bias" in entry:
        rows = {name.removeprefix("bias."): a for name, a in parts.items() if name.startswith("bias.")}
        mapped_rows = _mapped(rows, float(entry["bias"][0]), int(entry["bias"][1]), die)
        bias = BiasCells(mapped_rows, rows["asked"], rows["fixed"])
    window = None if entry["window"] is None else Window(**entry["window"])
    return DieArray(
        mapped=mapped,
        step=parts["step"],
        designed=AdcRange(parts["designed.gain"], parts["designed.offset"], *entry["designed"]),
        built=AdcRange(parts["built.gain"], parts["built.offset"], *entry["built"]),
        neurons=None if entry["neurons"] is None else _neurons(parts, int(entry["neurons"]), die),
        window=window,
        skip_gain=parts.get("skip_gain"),
        skip_shift=int(entry["skip_shift"]),
        columns=columns,
        bias=bias,
    )


def _mapped(held: Arrays, full_scale_uS: float, limited: int, die: Die) -> MappedWeights:
    drawn = (held[name] for name in ("target", "programmed", "stuck", "ageing"))
    cells = Cells.fresh(*drawn, row_voltage_V=held.get("row_voltage"), place=held.get("place"))
    fields = {name: held[name] for name in ("levels", "limits", "unit")}
    mapped = MappedWeights(
        **fields, cells=cells, codes=held["levels"], full_scale_uS=full_scale_uS, saturated=0, limited=limited
    )
    return aged(mapped, die.cells_of)


def _neurons(held: Arrays, unreachable: int, die: Die) -> Neurons:
    chip, states, devices = die.chip, None, None
    if "state.voltage" in held:
        names = [f.name for f in dataclasses.fields(States)]
        states = States(**{name: held[f"state.{name}"] for name in names if f"state.{name}" in held})
    if "neuron.devices" in held:
        base = chip.neuron.device
        devices = [_device(base, parameters) for parameters in held["neuron.devices"]]
    return ndr_neurons(chip, held["neuron.heights"], held["neuron.peaks"], unreachable, states, devices)


def _parameters(device: NdrModel) -> Floats:
    """A device's parameters; of a measured curve, where its peak lies."""
    if isinstance(device, MeasuredTable):
        return np.array([device.peak_voltage_V, device.peak_current_A])
    return np.array([getattr(device, f.name) for f in dataclasses.fields(device)], np.float64)  # type: ignore[arg-type]


def _device(base: NdrModel, parameters: Floats) -> NdrModel:
    if isinstance(base, MeasuredTable):
        return scaled_device(base, parameters[0] / base.peak_voltage_V, parameters[1] / base.peak_current_A)
    names = [f.name for f in dataclasses.fields(base)]  # type: ignore[arg-type]
    values = dict(zip(names, parameters.tolist(), strict=True))
    return dataclasses.replace(base, **values)  # type: ignore[type-var]
