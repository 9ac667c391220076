"""Memory words of a device that learns: computed from a learning program and a geometry."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.backend.lay_out import parameters
from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.errors import GeometryError, require
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.learning import (
    LEVELS,
    Devices,
    Learning,
    LearningLayer,
    Steps,
    Tiles,
    Transfer,
)
from ndrite.emulator.spec.learning_map import (
    FACTOR_BITS,
    LABEL_CODES,
    LAYER_WORDS,
    SETTING_WORDS,
    STEP_WORDS,
    TABLES,
    settings_of,
)
from ndrite.emulator.spec.memory_map import Section, address

TILES_MAX = 16
"""Largest number of row tiles of a layer."""


def lay_out_learning(
    learning: Learning, geometry: Geometry, states: Sequence[IntArray] | None = None
) -> list[Section]:
    """Return every memory word of a device that learns, as contiguous sections.
    ``states`` holds an array (K + 1, M) for each layer; None stands for the initial
    states. Raises GeometryError when the program does not fit: no layer may have more
    outputs than there are lanes, all layers need converters, and states, columns,
    curves, records and tiles must fit in the memories."""
    check_learning_fits(learning, geometry)
    states_now = [layer.states for layer in learning.layers] if states is None else states
    columns: dict[str, list[npt.NDArray[np.int32]]] = {"bias": [], "readout": [], "neuron": []}
    sections = []
    row_base = column = 0
    depth, tuned = len(learning.layers), None
    for i, (of, learned, s) in enumerate(
        zip(learning.program.layers, learning.layers, states_now, strict=True)
    ):
        places = {"at_state": row_base, "at_column": column, "behind_tuned": tuned is not None}
        tuned = learned.tuned
        if tuned is not None:
            places["tuned_bits"] = tuned.bits
            of_ecrams = {
                "inputs": of.inputs + 1,
                "column_rate": tuned.rate,
                "column_shift": tuned.shift,
                **places,
            }
            sections += _law(
                depth + i, f"ECRAMs {i}", Source(of, learned, tuned.devices), of_ecrams, geometry
            )
            of = dataclasses.replace(of, curve=tuned.first)
        devices, fast = learned.devices, learned.transfer
        if isinstance(fast, Transfer):  # not ``Tiles``: ``check_learning_fits`` rejects these
            places |= {"pulse_row": learned.fast_row(of.inputs), "chopped": fast.chopped}
            places |= {"every": fast.every, "threshold": fast.threshold}
            devices = fast.devices
        sections += _law(i, f"layer {i}", Source(of, learned, devices), places, geometry)
        if learning.carries:
            record = learning.carries + i
            sections += _law(
                record, f"own devices {i}", Source(of, learned, learned.devices), places, geometry
            )
        # The device reads ``readouts`` columns at once, so the columns of each layer
        # begin at a multiple of it.
        padding = -of.outputs % geometry.readouts
        for name, words in (parameters(of) | {"bias": learned.bias}).items():
            columns[name].append(np.pad(words, (0, padding)).astype(np.int32))
        column += of.outputs + padding
        for m, lane in enumerate(s.T):
            where = address("weights", m * geometry.weight_depth + row_base)
            sections.append(Section(f"states of layer {i}, lane {m}", where, lane.astype(np.int32)))
        row_base += learned.rows
    sections += [Section(name, address(name), np.concatenate(parts)) for name, parts in columns.items()]
    program = learning.program
    for name, table in (("curve_base", program.curve_base), ("curve_slope", program.curve_slope)):
        sections.append(Section(name, address(name), table.reshape(-1).astype(np.int32)))
    seed = learning.die_seed
    # The update counter has no word here: the host writes it before a run of updates,
    # and the device then increments it.
    run = [seed & 0xFFFFFFFF, seed >> 32, learning.slots, len(learning.layers), learning.carries]
    sections.append(Section("run", address("layers", geometry.layers * LAYER_WORDS), _int32(run)))
    return sections


def state_places(learning: Learning, geometry: Geometry) -> list[list[tuple[int, int]]]:
    """Return the memory locations of the device states: for each layer a list of
    (address, words), one entry per lane."""
    places, row_base = [], 0
    for layer in learning.layers:
        places.append(
            [
                (address("weights", m * geometry.weight_depth + row_base), layer.rows)
                for m in range(layer.columns)
            ]
        )
        row_base += layer.rows
    return places


class Source(NamedTuple):
    """What a record of device settings is read from: a layer, its learning constants,
    and the law of those of its devices that the record describes."""

    layer: Layer
    learned: LearningLayer
    devices: Devices


def _law(record: int, what: str, source: Source, known: dict[str, int], geometry: Geometry) -> list[Section]:
    """Return the memory sections of one record of device settings, number ``record``,
    and of the law tables of these devices. ``what`` names the record in errors. Fields
    that are not in ``known`` are read from ``source``."""
    devices = source.devices
    tables = [
        Section(
            f"{name} of {what}",
            address("devices", (t * geometry.layers + record) * LEVELS),
            getattr(devices, name).astype(np.int32),
        )
        for t, name in enumerate(TABLES)
    ]
    if devices.steps is not None:
        where = address("step_tables", record * STEP_WORDS)
        tables.append(Section(f"step tables of {what}", where, _step_words(devices.steps)))
    words = _record(source, known, geometry)
    return [Section(what, address("layers", record * LAYER_WORDS), words), *tables]


def _step_words(steps: Steps) -> npt.NDArray[np.int32]:
    """Pack the step tables of a law into words, int32 (STEP_WORDS,): those of
    steps down, then up."""
    means, deviations = (
        np.concatenate(tables).astype(np.int32)
        for tables in ((steps.down, steps.up), (steps.noise_down, steps.noise_up))
    )
    words: npt.NDArray[np.int32] = means | deviations << FACTOR_BITS
    return words


def _record(source: Source, known: dict[str, int], geometry: Geometry) -> npt.NDArray[np.int32]:
    """Pack the settings of a layer's devices of one kind into a record, int32
    (SETTING_WORDS,). Fields that are not in ``known`` are read from ``source``."""
    of, learned, devices = source
    known = {
        "inputs": of.inputs,
        "outputs": of.outputs,
        "variance_out": of.sigma_out**2,
        "back_variance": learned.back_sigma**2,
        "tuned_bits": 0,
        "pulse_row": 0,
        "every": 0,
        "threshold": 0,
        "chopped": 0,
        "tabled": devices.steps is not None,
        **known,
    }
    value = position = 0
    for name, (bits, _) in settings_of(geometry).items():
        part = next((part for part in source if hasattr(part, name)), None)
        field = known[name] if name in known else int(getattr(part, name))
        value |= (field & ((1 << bits) - 1)) << position
        position += bits
    return _int32([value >> 32 * i & 0xFFFFFFFF for i in range(SETTING_WORDS)])


def _int32(words: Sequence[int]) -> npt.NDArray[np.int32]:
    return np.array([w & 0xFFFFFFFF for w in words], np.uint32).view(np.int32)


def check_learning_fits(learning: Learning, geometry: Geometry) -> None:
    """Raise GeometryError unless ``geometry`` can hold the learning program."""
    layers, g = learning.program.layers, geometry

    def accept(ok: bool, what: str, value: object, accepted: str) -> None:
        require(ok, f"{learning.program.name!r} on {g.name!r}: {what}", value, accepted, GeometryError)

    widest = max(layer.outputs for layer in layers)
    accept(widest <= g.lanes, "the widest layer", widest, f"at most {g.lanes}, the lanes")
    records = learning.records
    accept(
        records <= g.layers, "device records (layers, ECRAMs, fast devices)", records, f"at most {g.layers}"
    )
    accept(learning.program.rows == g.rows, "rows", learning.program.rows, f"{g.rows}")
    inputs = learning.program.inputs
    accept(inputs + LABEL_CODES <= g.max_inputs, "inputs", inputs, f"at most {g.max_inputs - LABEL_CODES}")
    states = sum(learned.rows for learned in learning.layers)
    accept(states <= g.weight_depth, "states of a lane", states, f"at most {g.weight_depth}")
    columns = sum(-(-layer.outputs // g.readouts) * g.readouts for layer in layers)
    accept(columns <= g.columns, "columns", columns, f"at most {g.columns}")
    curves, segments = learning.program.curve_base.shape
    fits = curves <= g.curves and segments == g.segments
    accept(fits, "curves", (curves, segments), f"{g.curves, g.segments}")
    for i, learned in enumerate(learning.layers):
        accept(
            g.step_tables or not learned.tabled,
            f"devices of layer {i}",
            "step-table",
            f"linear-step, or a geometry with step_tables, which takes {STEP_WORDS * g.layers} more words of "
            "18 bits for every 16 lanes; sim: and golden: learn step-tables",
        )
        accept(
            not isinstance(learned.transfer, Tiles),
            f"rule of layer {i}",
            "residual learning over tiles, which no board can do",
            "other rules; golden: learns by residual",
        )
        if learned.transfer is not None:
            sigma = learned.transfer.read_sigma
            accept(sigma == 0, f"noise of readings in layer {i}", f"{sigma} states", "0; golden: has noise")
        if isinstance(learned.transfer, Transfer):
            period = learned.transfer.chopped
            accept(period <= 1, f"chopper period of layer {i}", period, "1; golden: takes up to 255")
    for i, layer in enumerate(layers):
        accept(layer.readout == "adc", f"readout of layer {i}", layer.readout, "adc")
        tiles = layer.tiles(g.rows)
        accept(tiles <= TILES_MAX, f"tiles of layer {i}", tiles, f"at most {TILES_MAX}")
