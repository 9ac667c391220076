"""Die: one individual chip with all its sampled properties, and its file.

A die never draws again: its cells, converters and neurons are fixed, and ageing or
tuning gives another die. The file is an ``.npz`` without pickled objects. It holds what
was drawn (programmed conductances, stuck cells, ageing); the effects of time and wires
are computed from that.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip, parse_chip
from ndrite.emulator.device.ndr.curves import NdrModel, scaled_device
from ndrite.emulator.device.ndr.curves import Table as MeasuredTable
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.errors import ChipError, CompileError, EmulatorError, require
from ndrite.emulator.mapping.cells import Cells
from ndrite.emulator.mapping.curves import States, kept
from ndrite.emulator.mapping.devices import Neurons, ndr_neurons
from ndrite.emulator.mapping.ranges import AdcRange
from ndrite.emulator.mapping.report import Mitigation
from ndrite.emulator.mapping.weights import (
    BiasCells,
    Columns,
    MappedWeights,
    code_max,
    conductance_codes,
    without_errors,
)
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.archive import FIELD, Arrays, FileKind
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Floats
from ndrite.emulator.spec.brief import record, titled


@record()
class DieArray:
    """The part of a die that computes one matrix product: crossbar, converters and neurons.

    ``mapped``: its cells and what they mean; ``step`` float64 (M,): pre-activation of
    one unit of p; ``designed`` and ``built``: the converters before and after mismatch,
    not yet trimmed; ``neurons`` and ``window``: NDR neurons, None where the activation
    is an exact table or there is none; ``skip_gain`` and ``skip_shift``: of a second
    operand; ``columns`` and ``bias``: of analog readout.
    """

    mapped: MappedWeights
    step: Floats
    designed: AdcRange
    built: AdcRange
    neurons: Neurons | None = None
    window: Window | None = None
    skip_gain: npt.NDArray[np.uint16] | None = None
    skip_shift: int = 0
    columns: Columns | None = None
    bias: BiasCells | None = None


@record()
class DieTable:
    """The NDR devices of one lookup-table step, and the gain and shift, float64 (E,),
    that its row drivers apply."""

    neurons: Neurons
    gain: Floats
    shift: Floats

    def values(self) -> Floats:
        """Return the outputs at every input code, in output steps (LSB), float64 (E, 256)."""
        x = np.arange(INPUT_MAX + 1) / INPUT_MAX
        u = (x[:, None] * self.gain + self.shift) / self.neurons.peaks
        values: Floats = np.clip(INPUT_MAX * self.neurons.curves(u).T, 0.0, INPUT_MAX)
        return values


@record()
class Die:
    """One individual chip of a chip description, programmed with a network.

    Attributes
    ----------
    chip, seed:
        The description, its time included, and the number of the individual.
    network:
        SHA-256 of the float network it was programmed with (``Network.digest``).
    arrays:
        One for each product of the program, in order.
    nominal:
        Whether its cells lie on their targets (for virtual chips).
    mitigation:
        The measures taken when it was programmed and calibrated.
    tables:
        One for each table step of the program, in order; None where its functions are exact.
    """

    chip: Chip
    seed: int
    network: str
    arrays: tuple[DieArray, ...]
    nominal: bool = False
    mitigation: Mitigation = field(default_factory=Mitigation)
    tables: tuple[DieTable | None, ...] = ()

    def _repr_html_(self) -> str:
        rows = []
        for i, array in enumerate(self.arrays):
            cells = array.mapped.cells
            stuck = int((cells.stuck != 0).sum())
            neurons = "-" if array.neurons is None else f"{len(array.neurons.peaks)} NDR"
            low, high = float(cells.effective.min()), float(cells.effective.max())
            size = "x".join(map(str, array.mapped.codes.shape))
            rows.append((i, size, f"{low:.3g} .. {high:.3g}", stuck, neurons))
        seconds = self.chip.conditions.time_since_programming_s
        title = f"die {self.seed} of {self.chip.name}, {seconds:g} s after programming"
        return titled(title, ("array", "weights", "conductance, uS", "stuck cells", "neurons"), rows)

    @property
    def parts(self) -> tuple[DieArray | DieTable | None, ...]:
        """The die's arrays, one for each matrix product, then its tables of NDR
        devices. ``states`` has the ECRAM states in the same order."""
        return (*self.arrays, *self.tables)

    @property
    def states(self) -> list[States | None]:
        """The ECRAM states of each entry of ``parts``; None for an entry without ECRAMs."""
        return [None if p is None or p.neurons is None else p.neurons.states for p in self.parts]

    @property
    def cells_of(self) -> Chip:
        """The chip description whose laws the die's cells follow: ``chip``, without
        cell errors if the die is nominal."""
        return without_errors(self.chip) if self.nominal else self.chip

    def at(self, time_s: float) -> Die:
        """Return the same die ``time_s`` seconds after programming. Converters stay as
        calibrated, and neurons change only by the relaxation of their ECRAMs.

        Raises ChipError when the time is outside the drift model's, or before that
        of the correction.
        """
        now = self.chip.conditions
        early = now.corrected_at_s or now.time_since_programming_s
        require(
            time_s >= early, "time_s", time_s, f"{early:g} or more, the time of its calibration", ChipError
        )
        conditions = dataclasses.replace(now, time_since_programming_s=time_s, corrected_at_s=early)
        later = dataclasses.replace(self, chip=dataclasses.replace(self.chip, conditions=conditions))
        passed = time_s - now.time_since_programming_s
        return later._with([_older(part, later, passed) for part in self.parts])

    def tuned(self, states: Sequence[States | None]) -> Die:
        """Return the same die with the ECRAMs of each entry of ``parts`` at other
        states. None leaves an entry unchanged.

        Raises CompileError when there is not one entry a part, or one without
        ECRAMs has an entry.
        """
        if len(states) != len(self.parts):
            raise CompileError(
                f"states has {len(states)} entries; accepted: one for each of {len(self.arrays)} arrays and "
                f"{len(self.tables)} tables"
            )
        tuned_parts: list[Any] = []
        for i, (part, state) in enumerate(zip(self.parts, states, strict=True)):
            if state is not None:
                neurons = None if part is None else part.neurons
                if part is None or neurons is None or neurons.states is None:
                    raise CompileError(f"part {i} has no ECRAM, but states are given for it; accepted: None")
                part = dataclasses.replace(part, neurons=_set(neurons, state, self.chip))
            tuned_parts.append(part)
        return self._with(tuned_parts)

    def _with(self, parts: list[Any]) -> Die:
        count = len(self.arrays)
        return dataclasses.replace(self, arrays=tuple(parts[:count]), tables=tuple(parts[count:]))


def _older(part: DieArray | DieTable | None, die: Die, passed_s: float) -> DieArray | DieTable | None:
    """Return one array or table of ``die`` as it is ``passed_s`` seconds later."""
    if part is not None and part.neurons is not None and part.neurons.states is not None:
        states = kept(part.neurons.states, die.chip, passed_s)
        part = dataclasses.replace(part, neurons=_set(part.neurons, states, die.chip))
    if isinstance(part, DieArray):
        bias = part.bias and dataclasses.replace(part.bias, mapped=aged(part.bias.mapped, die.cells_of))
        part = dataclasses.replace(part, mapped=aged(part.mapped, die.cells_of), bias=bias)
    return part


def aged(mapped: MappedWeights, chip: Chip) -> MappedWeights:
    """Return the weights ``mapped`` with the cell ageing and the wire losses that
    ``chip`` has at its time."""
    cells = mapped.cells.at(chip)
    codes, saturated = conductance_codes(cells, code_max(chip.cell), mapped.full_scale_uS)
    return dataclasses.replace(mapped, cells=cells, codes=codes, saturated=saturated)


def _set(neurons: Neurons, states: States, chip: Chip) -> Neurons:
    return ndr_neurons(chip, neurons.heights, neurons.peaks, neurons.unreachable, states, neurons.devices)


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
"""Names of arrays in the file -> attributes of mapped weights, an array, neurons: what
does not follow from the rest."""


def die_digest(die: Die) -> str:
    """Return the SHA-256, hexadecimal, of everything that a die file contains."""
    return str(FILE.written(*_content(die))[FIELD])


def save_die(die: Die, path: str | os.PathLike[str]) -> None:
    """Write a die file completely or not at all (temporary file, then rename)."""
    FILE.save(path, *_content(die))


def load_die(path: str | os.PathLike[str], program: Program | None = None) -> Die:
    """Read a die file and verify its digest. If a program is given, reject a die that
    belongs to another program.

    The program names the digest that the file was written with: a description that has
    gained fields since changes nothing of it. Raises FileNotFoundError when there is no
    such file. Raises CompileError when it is no die of this format, is damaged, or
    another program's.
    """

    def assemble(manifest: dict[str, Any], arrays: Arrays) -> Die:
        if program is not None and program.provenance.get("die") != manifest[FIELD]:
            raise CompileError(
                f"this die belongs to another program than {program.name}; accepted: the die saved with it"
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
    """Store the properties of a layer's neurons in ``arrays``, as far as they
    cannot be computed from others; return the number of neurons whose wanted
    curve is out of reach."""
    _put(where, neurons, NEURONS, arrays)
    if neurons.devices is not None:
        arrays[f"{where}.neuron.devices"] = np.stack([_parameters(device) for device in neurons.devices])
    return neurons.unreachable


def _put(where: str, record: Any, names: dict[str, str], arrays: Arrays) -> None:
    """Copy attributes of ``record`` into ``arrays``. ``names`` maps the name of an
    array, which is put after ``where``, to the path of an attribute; attributes that
    are None are left out."""
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
    """Return the parameters of an NDR device as an array. For a measured curve, these
    are the voltage and current of its peak."""
    if isinstance(device, MeasuredTable):
        return np.array([device.peak_voltage_V, device.peak_current_A])
    return np.array(dataclasses.astuple(device), np.float64)  # type: ignore[call-overload]


def _device(base: NdrModel, parameters: Floats) -> NdrModel:
    if isinstance(base, MeasuredTable):
        return scaled_device(base, parameters[0] / base.peak_voltage_V, parameters[1] / base.peak_current_A)
    names = [f.name for f in dataclasses.fields(base)]  # type: ignore[arg-type]
    values = dict(zip(names, parameters.tolist(), strict=True))
    return dataclasses.replace(base, **values)  # type: ignore[type-var]
