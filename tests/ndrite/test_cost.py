"""cost: an account worked out by hand, how it scales, the converter's law, the commands."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import ndrite
from emulator.device.description import Chip
from emulator.golden import Core
from emulator.mapping import Die, map_network
from emulator.network import Dense, Named, Network, load_network, zoo
from emulator.network import Product as NetworkProduct
from emulator.spec import Program
from emulator.spec.patches import Patches
from emulator.spec.steps import Product
from ndrite.costs.account import Account, account_of
from ndrite.costs.constants import CONSTANTS, CostError, load_constants
from ndrite.costs.parts import COMPONENTS, Use, Work, adc_area_um2, adc_energy_pJ
from ndrite.samples import DATA, apart
from ndrite.verbs.sweep import Grid
from tests.chips import changed, random_network, samples

READ_V = 0.2
READ_NS = "read_ns: {low: "
OWN = "--constants mine.yaml"


def chip_of(array: Any = None, **sections: Any) -> Chip:
    """The ideal chip with arrays of 8 x 4 cells, and other values in its sections."""
    return changed("ideal", array={"rows": 8, "columns": 4} | (array or {}), **sections)


def hidden(inputs: int, outputs: int, **sections: Any) -> tuple[Program, Die]:
    """``inputs`` - ``outputs`` NDR neurons - 2 outputs on the ideal chip."""
    network = random_network((inputs, outputs, 2))
    return map_network(network, chip_of(**sections), samples(network, 32))[:2]


def account(program: Program, die: Die, x: Any) -> Account:
    return account_of(program, die, np.asarray(x, np.uint8), load_constants().on(130))


def use(work: Work, unit: str) -> Use:
    """What a step asks of one unit, all of it."""
    some = [use for use in work.uses if use.unit == unit]
    sums = (sum(getattr(use, name) for use in some) for name in ("times", "serially", "there"))
    return Use(unit, *sums, some[0].of if some else ())


def energy(found: Account, component: str, step: int | None = None) -> float:
    """Typical energy of a component, pJ, of one step or all."""
    steps = list(found.parts.values())
    steps = steps if step is None else [steps[step + 1]]
    return sum(float(parts[component].energy_pJ[1]) for parts in steps)


def test_an_account_by_hand() -> None:
    """Two inputs, three columns, one array: every component with numbers."""
    program, die = hidden(2, 3)
    cells = die.arrays[0].mapped.cells.effective
    x = [[255, 51]]
    found = account(program, die, x)
    # Cells: G V^2 t, t = 10 ns, V = 0.2 V and a fifth of it; uS V^2 ns are fJ.
    first, second = cells[:, 0].sum(), cells[:, 1].sum()
    by_hand = (first * 0.2**2 + second * 0.04**2) * 10 * 1e-3
    assert energy(found, "array", 0) == pytest.approx(by_hand, rel=1e-12)
    assert by_hand > 0
    # Two rows, 0.291 pJ at 40 nm brought to 130, and 2 x 2 x 3 cells' word lines of 3.9 fJ; one array wide.
    dac = 0.291 * (130 / 40) ** 1.9
    assert energy(found, "drivers", 0) == pytest.approx(2 * dac + 12 * 3.9e-3)
    # Three columns, 12 bits, the law at 10 MS/s.
    adc = adc_energy_pJ(program.layers[0].adc_bits, 130, 1e7)
    assert energy(found, "converters", 0) == pytest.approx(3 * adc)
    # Three devices: 1 mA from 1.2 V for 100 ns at their outputs; a DAC and an 8-bit converter each.

    level = Core(program).maps(np.array(x, np.uint8), noise=False)[1].mean() / 255
    assert energy(found, "neurons", 0) == pytest.approx(3 * 120 * level)
    assert energy(found, "buffers", 0) == pytest.approx(3 * (dac + adc_energy_pJ(8, 130, 1e7)))
    # A shift-add a conversion and one for the bias, one multiplication for the scale, a column.
    digital = 3 * 2 * 0.69 * (130 / 65) ** 1.9 + 3 * 4.0 * (130 / 45) ** 1.9
    assert energy(found, "digital", 0) == pytest.approx(digital)
    # 2 codes in from outside, 2 read and 3 written by the first step, 3 and 2 by the second.
    bits = 8 * (2 + 2 + 3 + 3 + 2)
    assert energy(found, "memory") == pytest.approx(bits * 0.33 * (130 / 65) ** 1.9)
    assert energy(found, "wires") == pytest.approx(bits * 0.054 * (130 / 32) ** 1.9)
    pJ, ns, um2 = (v[1] for v in (found.total.energy_pJ, found.total.latency_ns, found.total.area_um2))
    assert pJ == pytest.approx(sum(energy(found, c) for c in COMPONENTS))
    # Read and conversion of both steps, device, and its converter; 3 and 2 columns through the scale unit.
    assert ns == pytest.approx(2 * (10 + 100) + 100 + 100 + (3 + 2) * 5)
    assert found.macs == 2 * 3 + 3 * 2
    assert found.tops_per_W[1] == pytest.approx(2 * 12 / pJ)
    assert found.tops_per_mm2[1] == pytest.approx(2 * 12 * 1e-12 / (ns * 1e-9) / (um2 * 1e-6))
    # Four arrays of 8 x 4 cells of 125.7 F^2.
    area = found.by_component()["array"].area_um2[1]
    assert area == pytest.approx(4 * 32 * 125.7 * 0.13**2)


@pytest.mark.parametrize(("dac_bits", "groups"), [(8, 1), (2, 1), (8, 2), (4, 2)])
def test_a_residual_convolution_by_hand(dac_bits: int, groups: int) -> None:
    """4 channels of 5 x 5, 4 columns of 3 x 3 kernels, at 25 positions; a second operand on every output."""
    rng = np.random.default_rng(3)
    k, m, positions, steps = 4 // groups * 9, 4, 25, 8 // dac_bits
    where = Patches(shape=(4, 5, 5), kernel=(3, 3), padding=(1, 1, 1, 1), groups=groups)
    dense = Dense(rng.normal(size=(k, m)), np.zeros(m), Named("relu"))
    last = Dense(rng.normal(size=(100, 2)), np.zeros(2))
    full = Patches.whole((4, 5, 5))
    x = rng.integers(1, 256, (32, 100)).astype(np.uint8)
    costs = []
    for skip in (None, 0):
        node = NetworkProduct(dense, (0,), where, 0.0, skip, None if skip is None else np.ones(m))
        network = Network((node, NetworkProduct(last, (1,), full)), (4, 5, 5))
        chip = chip_of(input={"dac_bits": dac_bits})
        program, die, _ = map_network(network, chip, x)
        costs.append(account(program, die, x[:1]))
    constants = load_constants().on(130)
    add, multiply = constants["shift_add_pJ"][1], constants["multiply_pJ"][1]
    plain, residual = (energy(found, "digital", 0) for found in costs)
    # The second operand is scaled and added, once an output.
    assert residual - plain == pytest.approx(positions * m * (add + multiply))
    # Every row's word line passes two cells a column, in every slice, for the columns of its group.
    tiles = -(-k // 8)
    outputs, sums = positions * m, positions * m * steps * tiles
    scaled = outputs * (add + multiply)
    assert plain == pytest.approx(sums * add + scaled + outputs * constants["table_pJ"][1])
    drives = sum(
        int(np.count_nonzero(part >> (j * dac_bits) & ((1 << dac_bits) - 1)))
        for part in where.cut(x[:1].reshape(1, 4, 5, 5).astype(np.int64), 0)
        for j in range(steps)
    )
    word_lines = 2 * positions * steps * k * m * constants["word_line_fJ_per_cell"][1] * 1e-3
    across = 1 if chip.array.pairs != "interleaved" else -(-(m // groups) // 2)
    drivers = drives * across * constants["dac_pJ"][1] * dac_bits / 8
    assert energy(costs[0], "drivers", 0) == pytest.approx(drivers + word_lines)


def test_no_component_is_missing() -> None:
    program, die = hidden(12, 6)
    found = account(program, die, np.full((2, 12), 100))
    assert set(found.by_component()) == set(COMPONENTS)
    for name, cost in found.by_component().items():
        assert (cost.energy_pJ > 0).all(), name
        assert (cost.area_um2 > 0).all(), name
        assert cost.energy_pJ[0] <= cost.energy_pJ[1] <= cost.energy_pJ[2], name
    steps = found.by_step().values()
    np.testing.assert_allclose(sum(c.energy_pJ for c in steps), found.total.energy_pJ)


def test_an_account_is_the_mean_of_its_samples() -> None:
    """Inputs of zero cost no cell and no driver."""
    program, die = hidden(12, 6)
    dark, bright, both = (account(program, die, [[v] * 12 for v in x]) for x in ([0], [200], [0, 200]))
    assert energy(dark, "array", 0) == 0
    assert energy(dark, "drivers", 0) < energy(bright, "drivers", 0)
    assert energy(both, "array", 0) == pytest.approx(energy(bright, "array", 0) / 2)


def test_slices_tiles_and_converters() -> None:
    """Four slices: four times the conversions; 20 rows on arrays of 8: three tiles of them."""
    x = np.random.default_rng(0).integers(0, 256, (4, 20))
    whole, sliced = (account(*hidden(20, 4, input={"dac_bits": d}), x) for d in (8, 2))
    per = adc_energy_pJ(use(whole.works[1], "converter").of[0], 130, 1e7)
    assert energy(whole, "converters", 0) == pytest.approx(3 * 4 * per)
    assert energy(sliced, "converters", 0) == pytest.approx(4 * energy(whole, "converters", 0))
    assert use(sliced.works[1], "cell").serially == 4 * use(whole.works[1], "cell").serially
    assert use(whole.works[1], "bus bit").there == 3 * 1 * 2
    # Interleaved pairs: twice as many columns of cells, half the arrays.
    beside = account(*hidden(20, 4, array={"pairs": "interleaved"}), x)
    assert use(beside.works[1], "bus bit").there == 3 * 2
    assert use(beside.works[1], "row DAC").there == 2 * use(whole.works[1], "row DAC").there


def first_product(columns: int, x: Any, **patches: Any) -> tuple[Account, Die]:
    """The account of one product of two rows over other patches, on the cells of a full layer; the die."""
    program, die = hidden(2, columns)
    where = Patches(**patches)
    step = dataclasses.replace(program.products[0], patches=where)
    alone = dataclasses.replace(program, shape=where.shape, steps=(step,))
    return account(alone, dataclasses.replace(die, arrays=die.arrays[:1]), x), die


def test_twice_the_positions_cost_twice_the_energy_and_no_area() -> None:
    """One kernel of 1 x 1."""
    shapes = ((2, 3, 2), (2, 6, 2))
    one, two = (first_product(3, np.full((1, np.prod(s)), 77), shape=s, kernel=(1, 1))[0] for s in shapes)
    for name in ("array", "drivers", "converters", "neurons", "buffers", "digital"):
        assert energy(two, name, 0) == pytest.approx(2 * energy(one, name, 0)), name
    a, b = (found.by_component() for found in (one, two))
    np.testing.assert_allclose(b["converters"].latency_ns, 2 * a["converters"].latency_ns)
    for name in ("array", "converters", "drivers", "neurons"):
        np.testing.assert_array_equal(a[name].area_um2, b[name].area_um2)


def test_a_groups_columns_conduct_while_its_inputs_are_on_the_rows() -> None:
    found, die = first_product(4, [[255, 255, 0, 0]], shape=(4, 1, 1), kernel=(1, 1), groups=2)
    cells = die.arrays[0].mapped.cells.effective.sum(axis=0)
    assert energy(found, "array", 0) == pytest.approx(cells[:, :2].sum() * READ_V**2 * 10 * 1e-3)
    one, _ = first_product(4, [[255, 255]], shape=(2, 1, 1), kernel=(1, 1))
    assert use(found.works[1], "cell").serially == 2 * use(one.works[1], "cell").serially
    assert use(found.works[1], "converter").times == use(one.works[1], "converter").times


def test_analog_readout_needs_no_converter_until_it_leaves_the_chip() -> None:
    found = account(*hidden(12, 6, readout={"kind": "analog"}, input={"dac_bits": 8}), np.full((1, 12), 99))
    first, last = found.works[1:]
    assert use(first, "converter").times == 0
    assert use(first, "device's buffers").times == 6
    assert use(last, "row DAC").times == 0
    assert use(last, "converter").times == 2
    # Before each device and behind it, and one for every row of the next array: by hand, 1.45 pJ each.
    assert energy(found, "buffers", 0) == pytest.approx(6 * 2 * 1.45)
    row = use(last, "row buffer")
    assert (row.times, row.there, use(first, "row buffer").times) == (6, 6, 0)
    word_lines = 2 * 6 * 2 * 3.9e-3
    assert energy(found, "drivers", 1) == pytest.approx(6 * 1.45 + word_lines)


def test_rows_that_hold_biases_count() -> None:
    """Against the same die without them: their cells at the full voltage, word lines, and a further tile."""
    readout = {"kind": "analog", "range_policy": "layer", "bias": "cells"}
    program, die = hidden(8, 3, readout=readout)
    without = dataclasses.replace(die, arrays=tuple(dataclasses.replace(a, bias=None) for a in die.arrays))
    x = np.full((1, 8), 99)
    found, bare = (account(program, one, x) for one in (die, without))
    held = die.arrays[0].bias
    assert held is not None
    more = held.mapped.cells.effective.sum() * READ_V**2 * 10 * 1e-3
    assert energy(found, "array", 0) - energy(bare, "array", 0) == pytest.approx(more)
    rows = len(held.mapped.codes)
    word_lines = 2 * rows * 3 * 3.9e-3
    assert energy(found, "drivers", 0) - energy(bare, "drivers", 0) == pytest.approx(word_lines)
    # Arrays of 8 rows: the bias takes another one.
    assert [use(one.works[1], "bus bit").there for one in (found, bare)] == [4, 2]


RESNET = pytest.param("resnet-fashion-mnist", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["lenet5-digits", RESNET, "lstm-japanese-vowels"])
def test_any_program_has_an_account(name: str) -> None:
    """Pooling, residuals, gates, states and calls."""
    network = load_network(Path(zoo.float_network()).with_name(f"float-{name}.npz"))
    named = network.meaning.data_set
    random = np.random.default_rng(0).integers(0, 256, (16, network.inputs), np.uint8)
    x = apart(named)[0][:64] if named in DATA else random
    program, die, _ = map_network(network, "ideal", x)
    found = account(program, die, x[:1])
    assert len(found.works) == 1 + len(program.steps)
    macs = sum(p.patches.positions * p.layer.weights.size for p in program.products)
    assert found.macs == program.calls * macs
    assert (found.total.energy_pJ > 0).all()
    for work, step in zip(found.works[1:], program.steps, strict=True):
        if not isinstance(step, Product):
            assert use(work, "memory bit").times > 0
            assert use(work, "cycle").serially > 0


@pytest.mark.parametrize(
    ("converter", "energy_pJ", "area_um2"),
    [
        ((4, 14, 1e6), 0.19524486937875338, 393.6919335674654),
        ((6, 130, 1e7), 14.85735664887976, 19950.04984470521),
        ((8, 32, 1e8), 1.7137119697683605, 3938.925228370414),
        ((10, 14, 1e9), 2.9475347295396137, 3089.8263317298365),
        ((12, 65, 1e9), 504.8312660379832, 66128.44526487529),
    ],
)
def test_the_converters_law_is_the_librarys(converter: Any, energy_pJ: float, area_um2: float) -> None:
    """Figures of hwcomponents-adc 1.0.21 (Python 3.13), get_energy and area: of bits, nm and Hz."""
    assert adc_energy_pJ(*converter) == pytest.approx(energy_pJ, rel=1e-6)
    assert adc_area_um2(*converter) == pytest.approx(area_um2, rel=1e-5)


def entries(value: Any) -> list[Any]:
    """The basis of all objects in JSON that give an energy, however deep."""
    if isinstance(value, list):
        return [e for v in value for e in entries(v)]
    if not isinstance(value, dict):
        return []
    found = [value["basis"]] if "energy_pJ" in value or {"typical", "basis"} <= value.keys() else []
    return found + entries(list(value.values()))


def test_every_entry_says_modelled(said: Any) -> None:
    content = said("cost")
    assert len(entries(content)) > 10
    assert {content["basis"], *entries(content)} == {"modelled"}


UNSCALED = "cell_F2 adc_energy_factor adc_area_factor ndr_um2 supply_V ndr_peak_mA ecram_um2 circuit_uW"
"""Of a device or a factor: the same at every node."""


def test_every_constant_has_a_source() -> None:
    content = yaml.safe_load(CONSTANTS.read_text())
    for name, constant in content["constants"].items():
        assert len(constant["source"]) > 10, name
        assert constant["unit"] == "ns" or constant["node_nm"] or name in UNSCALED.split(), name


@pytest.fixture
def work(here: Path) -> None:
    """The working folder: mine, 12-6-2, and x.npy."""
    network = random_network((12, 6, 2))
    ndrite.compile(network, chip_of(), samples=samples(network, 32), output="mine")
    np.save("x.npy", np.random.default_rng(2).integers(0, 256, (5, 12), np.uint8))


def test_command(work: None, said: Any, prints: Any) -> None:
    out = prints("cost mine --inputs x.npy")
    assert all(words in out for words in ("modelled", "TOPS/W", *(f"│ {name}" for name in COMPONENTS)))
    found = said("cost mine --inputs x.npy --count 2 --node-nm 65")
    assert (found["samples"], found["node_nm"], found["macs"]) == (2, 65, 12 * 6 + 6 * 2)
    assert prints("cost --show") == CONSTANTS.read_text()


@pytest.mark.parametrize(
    ("words", "change", "told"),
    [
        ("none", None, "none: no such file"),
        ("--node-nm 1", None, "node_nm is 1.0; accepted: 5..500"),
        (OWN, (f"{READ_NS}1", f"{READ_NS}-1"), "mine.yaml: constants.read_ns.low is -1; accepted: a number"),
        (OWN, (f"{READ_NS}1", f"{READ_NS}50"), "constants.read_ns is [50.0, 10.0, 100.0]; accepted: low"),
        (OWN, (CONSTANTS.read_text(), "a: 1"), "mine.yaml: field missing"),
        (OWN, ("  read_ns:", "  reed_ns:"), "mine.yaml: constants.re"),
    ],
)
def test_refusals(words: str, change: Any, told: str, work: None, fails: Any) -> None:
    Path("mine.yaml").write_text(CONSTANTS.read_text().replace(*change or ("", "")))
    fails(f"cost {words}", told)


def test_own_constants_count(work: None, said: Any) -> None:
    def array(words: str) -> float:
        found = said(f"cost mine --inputs x.npy {words}")["components"]
        return float(next(c for c in found if c["component"] == "array")["energy_pJ"]["typical"])

    changed = CONSTANTS.read_text().replace(f"{READ_NS}1, typical: 10", f"{READ_NS}1, typical: 30")
    Path("mine.yaml").write_text(changed)
    assert array(OWN) == pytest.approx(3 * array(""))


def test_another_die_is_refused() -> None:
    program, die = hidden(2, 3)
    with pytest.raises(CostError, match="the die has arrays of"):
        account(program, dataclasses.replace(die, arrays=die.arrays[:1]), [[1, 2]])
    with pytest.raises(CostError, match="0 samples"):
        account(program, die, np.zeros((0, 2)))


def test_the_front_is_what_none_beats() -> None:
    points = [(5, 0.9), (1, 0.5), (2, 0.4), (3, 0.8), (3, 0.7), (9, 0.9)]
    rows = [{"energy_pJ": float(e), "accuracy": a} for e, a in points]
    assert [(r["energy_pJ"], r["accuracy"]) for r in Grid(None, rows, Path()).front()] == [
        (1, 0.5),
        (3, 0.8),
        (5, 0.9),
    ]
