"""A learning program's memories, read back word by word as ``docs/arithmetic.md`` and
the map have them."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.backend.learning import lay_out_learning, state_places
from ndrite.emulator.spec import Geometry, GeometryError
from ndrite.emulator.spec.learning import Devices, Learning
from ndrite.emulator.spec.learning_map import LAYER_WORDS, SETTINGS, TABLES
from ndrite.emulator.spec.memory_map import address
from tests.random_learning import random_learning, random_steps

GEOMETRY = Geometry(rows=16, lanes=8, readouts=4, layers=16, noise=True)
STEPPED = dataclasses.replace(GEOMETRY, step_tables=True)
OF_TRANSFER = ("every", "threshold", "chopped")


def held(
    learning: Learning, states: list[np.ndarray] | None = None, geometry: Geometry = GEOMETRY
) -> dict[int, int]:
    """Words, u32, by their addresses; none is written twice."""
    memory: dict[int, int] = {}
    for section in lay_out_learning(learning, geometry, states):
        words = {section.address + i: int(w) & 0xFFFFFFFF for i, w in enumerate(section.words.tolist())}
        assert not memory.keys() & words.keys()
        memory |= words
    return memory


def record(memory: dict[int, int], number: int) -> dict[str, int]:
    """The fields of a record, one behind the other, least significant first."""
    whole = sum(
        memory.get(address("layers", number * LAYER_WORDS + i), 0) << 32 * i for i in range(LAYER_WORDS)
    )
    fields = {}
    for name, (bits, signed) in SETTINGS.items():
        fields[name] = whole & (1 << bits) - 1
        fields[name] -= (1 << bits) * (signed and fields[name] >> bits - 1)
        whole >>= bits
    return fields


def law(memory: dict[int, int], number: int) -> dict[str, list[int]]:
    """The tables of record ``number``."""
    where = {t: (t * GEOMETRY.layers + number) * 16 for t in range(len(TABLES))}
    tables = {
        name: [memory[address("devices", where[t] + i)] for i in range(16)] for t, name in enumerate(TABLES)
    }
    return {name: np.array(words, np.uint32).view(np.int32).tolist() for name, words in tables.items()}


def is_law(memory: dict[int, int], number: int, devices: Devices) -> None:
    assert law(memory, number) == {name: getattr(devices, name).tolist() for name in TABLES}
    fields = record(memory, number)
    for name in ("slope_up", "slope_down", "step_shift"):
        assert fields[name] == getattr(devices, name)


@pytest.mark.parametrize(("tuned", "transfer"), [(False, False), (True, False), (False, True), (True, True)])
def test_memories_hold_the_program(tuned: bool, transfer: bool) -> None:
    rng = np.random.default_rng(7)
    learning = random_learning(
        GEOMETRY, rng, sizes=(20, 6, 5, 3), slots=9, noise=True, tuned=tuned, transfer=transfer
    )
    states = [layer.states + 1 for layer in learning.layers]
    memory, depth = held(learning, states), 3
    at_state = at_column = 0
    for i, (of, layer, s) in enumerate(zip(learning.program.layers, learning.layers, states, strict=True)):
        fields, fast, own = record(memory, i), layer.transfer, layer.tuned
        wanted = {name: getattr(of, name) for name in ("inputs", "outputs", "dac_bits", "adc_bits", "shift")}
        wanted |= {name: getattr(of, name) for name in ("vshift", "segment_bits", "table_bits", "var_cell")}
        known = (
            "bias_gain",
            "bias_shift",
            "row_rate",
            "row_shift",
            "column_rate",
            "column_shift",
            "back_gain",
        )
        known += ("back_shift", "back_bits", "back_var", "slope_shift")
        wanted |= {name: getattr(layer, name) for name in known}
        wanted |= {"variance_out": of.sigma_out**2, "back_variance": layer.back_sigma**2}
        wanted |= {"at_state": at_state, "at_column": at_column}
        wanted |= {"tuned_bits": own.bits if own else 0, "behind_tuned": int(tuned and i > 0)}
        wanted |= {name: getattr(fast, name) if fast else 0 for name in OF_TRANSFER}
        wanted["pulse_row"] = of.inputs + 1 + (own is not None) if fast else 0
        assert {name: fields[name] for name in wanted} == wanted
        is_law(memory, i, fast.devices if fast else layer.devices)
        if own:
            ecrams = record(memory, depth + i)
            assert (ecrams["inputs"], ecrams["column_rate"]) == (of.inputs + 1, own.rate)
            assert (ecrams["column_shift"], ecrams["at_column"]) == (own.shift, at_column)
            is_law(memory, depth + i, own.devices)
        if fast:
            carried = record(memory, learning.carries + i)
            assert {name: carried[name] for name in OF_TRANSFER} == {
                name: fields[name] for name in OF_TRANSFER
            }
            is_law(memory, learning.carries + i, layer.devices)
        for m, lane in enumerate(s.T):
            first = address("weights", m * GEOMETRY.weight_depth + at_state)
            assert [memory[first + k] for k in range(len(lane))] == [int(v) & 0xFFFFFFFF for v in lane]
            assert state_places(learning, GEOMETRY)[i][m] == (first, len(lane))
        curve = own.first if own else of.curve
        for m, bias in enumerate(layer.bias.tolist()):
            assert memory[address("bias", at_column + m)] == bias & 0xFFFFFFFF
            readout, neuron = (memory[address(name, at_column + m)] for name in ("readout", "neuron"))
            assert readout == int(of.gain[m]) | (int(of.offset[m]) & 0xFFF) << 16
            assert neuron == int(of.scale[m]) | int(curve[m]) << 16
        at_state, at_column = at_state + len(s), at_column + -(-of.outputs // 4) * 4
    run = [memory[address("layers", GEOMETRY.layers * LAYER_WORDS + i)] for i in range(5)]
    assert run == [learning.die_seed & 0xFFFFFFFF, learning.die_seed >> 32, 9, 3, learning.carries]
    for name, table in (("base", learning.program.curve_base), ("slope", learning.program.curve_slope)):
        words = [memory[address(f"curve_{name}", i)] for i in range(table.size)]
        assert words == [int(v) & 0xFFFFFFFF for v in table.reshape(-1)]


def test_what_a_device_just_holds_fits_and_half_of_it_does_not() -> None:
    """Four layers of eight columns; 37 and three times 9 states of a lane,
    each with its bias."""
    least = dataclasses.replace(GEOMETRY, weight_depth=64, columns=32, layers=4, max_inputs=64)
    roomy = dataclasses.replace(least, columns=64, curves=4)
    learning = random_learning(roomy, np.random.default_rng(7), sizes=(36, 8, 8, 8, 8), slots=9)
    segments = learning.program.curve_base.shape[1]
    curves = {
        name: np.resize(getattr(learning.program, name), (4, segments))
        for name in ("curve_base", "curve_slope")
    }
    learning = dataclasses.replace(learning, program=dataclasses.replace(learning.program, **curves))
    least = dataclasses.replace(least, curves=4, segments=segments)
    lay_out_learning(learning, least)
    for change, words in (
        ({"weight_depth": 32}, "states of a lane is 64; accepted: at most 32"),
        ({"columns": 16}, "columns is 32; accepted: at most 16"),
        ({"layers": 2}, r"device records \(layers, ECRAMs, fast devices\) is 4; accepted: at most 2"),
        ({"lanes": 4}, "the widest layer is 8; accepted: at most 4"),
        ({"rows": 8}, "rows is 16; accepted: 8"),
        ({"max_inputs": 32}, "inputs is 36; accepted: at most"),
        ({"segments": 2 * segments}, "curves is"),
        ({"curves": 2}, rf"curves is \(4, {segments}\); accepted: \(2, {segments}\)"),
    ):
        with pytest.raises(GeometryError, match=words):
            lay_out_learning(learning, dataclasses.replace(least, **change))


@pytest.mark.parametrize("layer", [0, 1])
def test_step_tables_are_one_word_a_part_and_direction(layer: int) -> None:
    """Down before up; the bit behind the record's other fields says
    that its devices have tables, here of one layer alone."""
    rng = np.random.default_rng(3)
    learning = random_learning(STEPPED, rng, sizes=(20, 6, 5), tuned=True, transfer=True)
    fast, steps = learning.layers[layer].transfer, random_steps(rng)
    assert fast is not None
    fast = dataclasses.replace(fast, devices=dataclasses.replace(fast.devices, steps=steps))
    layers = list(learning.layers)
    layers[layer] = dataclasses.replace(layers[layer], transfer=fast)
    memory = held(dataclasses.replace(learning, layers=tuple(layers)), geometry=STEPPED)
    word, bit = divmod(sum(bits for bits, _ in SETTINGS.values()), 32)
    for number in range(learning.records):
        tabled = memory.get(address("layers", number * LAYER_WORDS + word), 0) >> bit & 1
        assert tabled == (number == layer)
        words = [memory.get(address("step_tables", number * 128 + i)) for i in range(128)]
        if tabled:
            assert [word & 511 for word in words] == [*steps.down, *steps.up]
            assert [word >> 9 for word in words] == [*steps.noise_down, *steps.noise_up]
        else:
            assert words == [None] * 128


def test_a_geometry_without_step_tables_refuses_them_by_name() -> None:
    learning = random_learning(GEOMETRY, np.random.default_rng(3), sizes=(20, 6, 5), tabled=True)
    wanted = (
        r"on 'custom': devices of layer 0 is step-table; accepted: linear-step, or a geometry with "
        r"step_tables, which takes 2048 more words of 18 bits for every 16 lanes; sim: and golden: learn"
    )
    with pytest.raises(GeometryError, match=wanted):
        lay_out_learning(learning, GEOMETRY)
    lay_out_learning(learning, STEPPED)


LONG = dataclasses.replace(GEOMETRY, rows=8, max_inputs=256, packet_bytes=1024)
"""Its tiles are of 8 rows."""


@pytest.mark.parametrize(
    ("geometry", "inputs"), [(LONG, 128), (dataclasses.replace(LONG, rows=64), 254)], ids=str
)
def test_a_device_learns_layers_of_16_tiles_and_inputs_beside_which_the_label_has_room(
    geometry: Geometry, inputs: int
) -> None:
    """The label is sent behind a sample's inputs and takes the place of two codes."""
    rng = np.random.default_rng(3)
    words = "tiles of layer 0 is 17; accepted: at most 16" if geometry.rows == 8 else "accepted: at most 254"
    lay_out_learning(random_learning(geometry, rng, sizes=(inputs, 5)), geometry)
    with pytest.raises(GeometryError, match=words):
        lay_out_learning(random_learning(geometry, rng, sizes=(inputs + 1, 5)), geometry)


@pytest.mark.parametrize(
    ("of", "change", "words"),
    [
        ("program", {"readout": "analog"}, "readout of layer 1 is analog; accepted: adc"),
        ("transfer", {"read_sigma": 1}, "noise of readings in layer 1 is 1 states; accepted: 0"),
        ("transfer", {"chopped": 2}, "chopper period of layer 1 is 2; accepted: 1; golden"),
        ("transfer", {"chopped": 1}, ""),
        ("transfer", {"chopped": 0}, ""),
    ],
)
def test_the_golden_model_alone_learns_with_more(of: str, change: dict[str, object], words: str) -> None:
    learning = random_learning(GEOMETRY, np.random.default_rng(3), sizes=(20, 6, 5), transfer=True)
    if of == "program":
        first, last = learning.program.layers
        program = learning.program.with_layers([first, dataclasses.replace(last, **change)])
        learning = dataclasses.replace(learning, program=program)
    else:
        first, last = learning.layers
        assert last.transfer is not None
        last = dataclasses.replace(last, transfer=dataclasses.replace(last.transfer, **change))
        learning = dataclasses.replace(learning, layers=(first, last))
    if words:
        with pytest.raises(GeometryError, match=words):
            lay_out_learning(learning, GEOMETRY)
    else:
        lay_out_learning(learning, GEOMETRY)


def test_no_board_takes_tiles() -> None:
    learning = random_learning(GEOMETRY, np.random.default_rng(3), sizes=(20, 6, 5), tiles=True)
    wanted = "rule of layer 0 is residual learning over tiles, which no board can do; accepted: other rules"
    with pytest.raises(GeometryError, match=wanted):
        lay_out_learning(learning, GEOMETRY)
