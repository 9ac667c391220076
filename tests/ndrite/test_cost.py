"""cost: an account worked out by hand, how it scales, the converter's law, the commands."""

from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.costs.account import Account, account_of
from ndrite.costs.constants import CONSTANTS, CostError, load_constants
from ndrite.costs.parts import COMPONENTS, UNITS, Use, Work, adc_area_um2, adc_energy_pJ, words_of
from ndrite.emulator.device.description import Chip
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import Die, map_network
from ndrite.emulator.network import Dense, Named, Network, load_network, zoo
from ndrite.emulator.network import Product as NetworkProduct
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Pool, Product, Table
from ndrite.samples import DATA, apart
from tests.chips import changed, random_network, samples

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
    x = [[255, 51]] * 2  # a mean over samples
    found = account(program, die, x)
    # Cells: G V^2 t, t = 10 ns, V = 0.2 V and a fifth of it; uS V^2 ns are fJ.
    first, second = cells[:, 0].sum(), cells[:, 1].sum()
    by_hand = (first * 0.2**2 + second * 0.04**2) * 10 * 1e-3
    assert energy(found, "array", 0) == pytest.approx(by_hand, rel=1e-12)
    assert by_hand > 0
    # Two rows, 0.291 pJ at 40 nm brought to 130, and 2 x 2 x 3 cells' word lines of 3.9
    # fJ; one array wide.
    dac = 0.291 * (130 / 40) ** 1.9
    assert energy(found, "drivers", 0) == pytest.approx(2 * dac + 12 * 3.9e-3)
    # Three columns, 12 bits, the law at 10 MS/s.
    adc = adc_energy_pJ(program.layers[0].adc_bits, 130, 1e7)
    assert energy(found, "converters", 0) == pytest.approx(3 * adc)
    # Three devices: 1 mA from 1.2 V for 100 ns at their outputs; a DAC and an
    # 8-bit converter each.

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
    # Read and conversion of both steps, device, and its converter; 3 and 2 columns
    # through the scale unit.
    assert ns == pytest.approx(2 * (10 + 100) + 100 + 100 + (3 + 2) * 5)
    assert found.macs == 2 * 3 + 3 * 2
    assert found.tops_per_W[1] == pytest.approx(2 * 12 / pJ)
    assert found.tops_per_mm2[1] == pytest.approx(2 * 12 * 1e-12 / (ns * 1e-9) / (um2 * 1e-6))
    # Four arrays of 8 x 4 cells of 125.7 F^2.
    area = found.by_component()["array"].area_um2[1]
    assert area == pytest.approx(4 * 32 * 125.7 * 0.13**2)


def counted(program: Program, die: Die, x: np.ndarray) -> Counter[str]:
    """What the first product asks of units for each sample, counted patch by patch,
    slice by slice, row by row."""
    step, array, chip = program.products[0], die.arrays[0], die.chip
    layer, groups, found = step.layer, step.patches.groups, Counter[str]()
    share, top = layer.outputs // groups, (1 << layer.dac_bits) - 1
    held = array.bias.mapped.cells.effective.sum(axis=0) if array.bias is not None else np.zeros((0, 1))
    columns = chip.array.columns // 2 if chip.array.pairs == "interleaved" else chip.array.columns
    pairs = array.mapped.cells.effective.sum(axis=0)
    patches = step.patches.cut(x.reshape(len(x), *program.shape).astype(np.int64), step.border)
    for patch in patches.reshape(-1, groups, layer.inputs):
        for j in range(0, 8, layer.dac_bits):
            for g, codes in enumerate(patch):
                found["read"] += 1
                for row, code in enumerate(codes.tolist()):
                    part = code >> j & top
                    found["cell"] += (0.2 * part / top) ** 2 * pairs[row, g * share :][:share].sum()
                    found["row DAC"] += (part > 0) * -(-share // columns)
                    found["word line"] += 2 * share
                    found["tile"] += row % program.rows == 0
            found["word line"] += 2 * held.size
        found["cell"] += 0.2**2 * held.sum()
        found["output"] += layer.outputs
    found["conversion"] = found["tile"] * share
    return Counter({name: value / len(x) for name, value in found.items()})


BIASED = {"readout": {"kind": "analog", "range_policy": "layer", "bias": "cells"}}


@pytest.mark.parametrize("seed", range(16))
def test_a_product_is_counted_patch_by_patch(seed: int) -> None:
    """Random kernels, groups, slices, tiles and layouts, a second operand or none,
    biases in cells or not."""
    rng = np.random.default_rng(seed)
    groups, size = int(rng.choice([1, 2, 4])), int(rng.integers(1, 4))
    where = Patches(shape=(4, 5, 5), kernel=(size, size), padding=(size // 2,) * 4, groups=groups)
    skip = 0 if size % 2 and rng.random() < 0.5 else None
    m = 4 if skip == 0 else groups * int(rng.integers(1, 5))
    dense = Dense(rng.normal(size=(where.inputs, m)), rng.normal(size=m), Named("relu"))
    first = NetworkProduct(dense, (0,), where, 0.0, skip, None if skip is None else np.ones(m))
    shape = (m, *where.grid)
    last = NetworkProduct(
        Dense(rng.normal(size=(np.prod(shape), 2)), np.zeros(2)), (1,), Patches.whole(shape)
    )
    array = {"rows": int(rng.choice([8, 16])), "pairs": ["separate", "interleaved"][int(rng.integers(2))]}
    sliced = {"input": {"dac_bits": int(rng.choice([1, 2, 4, 8]))}}
    chip = chip_of(array, **(BIASED if seed % 4 == 3 else sliced))
    x = rng.integers(0, 256, (32, 100)).astype(np.uint8)
    program, die, _ = map_network(Network((first, last), (4, 5, 5)), chip, x)
    found, wanted = account(program, die, x[:2]).works[1], counted(program, die, x[:2])
    adc, bias, outputs = program.layers[0].readout == "adc", die.arrays[0].bias, wanted["output"]
    bias_rows = 0 if bias is None else len(bias.mapped.codes)  # on arrays of their own
    for unit, times in {
        **{name: wanted[name] for name in ("cell", "word line", "row DAC")},
        "converter": adc * wanted["conversion"],  # an analog map is read as it is
        "shift-add": adc * (wanted["conversion"] + outputs) + (skip == 0) * outputs,
        "multiply": adc * outputs + (skip == 0) * outputs,
        "table": outputs,
    }.items():
        assert (use(found, unit).times if times else 0) == pytest.approx(times), unit
    assert use(found, "cell").serially == wanted["read"]
    width = chip.array.columns // (2 if chip.array.pairs == "interleaved" else 1)
    across = -(-m // width)
    tiles = (-(-where.inputs // chip.array.rows) - (-bias_rows // chip.array.rows)) * across
    arrays = tiles * (1 if chip.array.pairs == "interleaved" else 2)
    assert use(found, "bus bit").there == arrays
    # Hardware: converters and drivers of every array, digital units of every block of columns.
    for unit, there, of in {
        ("cell", arrays * chip.array.rows * chip.array.columns, ()),
        ("row DAC", tiles * chip.array.rows, (program.layers[0].dac_bits,)),
        ("table", across, ()),
        *(
            (("converter", tiles * width, (program.layers[0].adc_bits,)), ("multiply", across, ()))
            if adc
            else ()
        ),
    }:
        assert (use(found, unit).there, use(found, unit).of) == (there, of), unit
    positions = where.positions
    assert use(found, "cycle").serially == positions * min(m, width)
    written = positions * m * adc  # as codes: an analog map is read as it is
    bits = 8 * (positions * where.inputs * groups + written)
    assert (use(found, "memory bit").times, use(found, "memory bit").there) == (bits, 8 * written)


def test_analog_readout_needs_no_converter_until_it_leaves_the_chip() -> None:
    found = account(*hidden(12, 6, readout={"kind": "analog"}, input={"dac_bits": 8}), np.full((1, 12), 99))
    first, last = found.works[1:]
    assert use(first, "converter").times == 0
    assert use(first, "device's buffers").times == 6
    assert use(last, "row DAC").times == 0
    assert use(last, "converter").times == 2
    # Before each device and behind it, and one for every row of the next array: by
    # hand, 1.45 pJ each.
    assert energy(found, "buffers", 0) == pytest.approx(6 * 2 * 1.45)
    row = use(last, "row buffer")
    assert (row.times, row.there, use(first, "row buffer").times) == (6, 6, 0)
    word_lines = 2 * 6 * 2 * 3.9e-3
    assert energy(found, "drivers", 1) == pytest.approx(6 * 1.45 + word_lines)


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
    each = [p.patches.positions * p.layer.weights.size for p in program.products]
    assert found.macs == program.calls * sum(each[:-1]) + each[-1], "outputs are of the last call"
    assert (found.total.energy_pJ > 0).all()
    for i, (work, step) in enumerate(zip(found.works[1:], program.steps, strict=True)):
        if isinstance(step, Product):
            continue
        channels, height, width = program.map_shapes[program.first + i]
        values = channels * height * width
        calls = program.calls if i < len(program.steps) - 1 else 1
        units, cycles, moved = by_hand(step)
        assert {u.unit: u.times for u in work.uses if u.unit in DIGITAL and u.times} == {
            unit: calls * values * each for unit, each in units.items()
        }
        assert {u.there for u in work.uses if u.unit in units} == {channels}
        assert use(work, "cycle").serially == calls * height * width * cycles
        memory, bus = use(work, "memory bit"), use(work, "bus bit")
        assert (memory.times, memory.there) == (8 * calls * values * moved, 8 * values)
        assert (bus.times, bus.there) == (memory.times, 0)


DIGITAL = {"compare", "shift-add", "multiply", "table"}


def by_hand(step: Any) -> tuple[dict[str, int], int, int]:
    """Operations of a digital step, cycles, and codes read and written, for each
    value that it gives."""
    if isinstance(step, Pool):
        window = step.patches.kernel[0] * step.patches.kernel[1]
        units = {"compare": window - 1} if step.of == "max" else {"shift-add": window, "multiply": 1}
        return units, window, window + 1
    if isinstance(step, Table):
        return {"shift-add": 1, "multiply": 1, "table": 1}, 1, 2
    # Of a sum of products and of maps each map has a factor of its own.
    factors = [2 if term.b is not None else 1 for term in step.terms]
    return {"shift-add": len(factors), "multiply": sum(factors)}, sum(factors), len(step.reads) + 1


def test_work_adds_up_on_the_same_hardware() -> None:
    one, other = (Work("w", n, (Use("cell", 10 * n, n, 7, (3,)), Use("cycle", 0, 5 * n))) for n in (2, 4))
    both = one.and_again(other).times(0.5)
    assert both == Work("w", 3, (Use("cell", 30, 3, 7, (3,)), Use("cycle", 0, 15)))


def test_some_constants_at_one_value() -> None:
    """At whatever node, and the others as they were."""
    known = load_constants()
    own = known.with_values(dac_pJ=3.0).on(65)
    np.testing.assert_array_equal(own["dac_pJ"], [3.0] * 3)
    np.testing.assert_array_equal(own["multiply_pJ"], known.on(65)["multiply_pJ"])


@pytest.mark.parametrize(
    # A unit, and the constants whose sums are its energy, its latency and its area.
    ("unit", "pJ", "ns", "um2"),
    [
        ("row DAC", "dac_pJ", "", "dac_um2"),
        ("row buffer", "buffer_pJ", "buffer_ns", "buffer_um2"),
        ("device's buffers", "buffer_pJ buffer_pJ", "buffer_ns buffer_ns", "buffer_um2 buffer_um2"),
        ("device's converters", "dac_pJ converter", "adc_ns", "dac_um2 converter"),
        ("converter", "converter", "adc_ns", "converter"),
        ("device", "device", "activation_ns", "ndr_um2 ecram_um2"),
        ("cell", "cell", "read_ns", "cell"),
        ("word line", "word line", "", ""),
        ("shift-add", "shift_add_pJ", "", "shift_add_um2"),
        ("multiply", "multiply_pJ", "", "multiply_um2"),
        ("table", "table_pJ", "", "table_um2"),
        ("compare", "compare_pJ", "", "compare_um2"),
        ("cycle", "", "cycle_ns", ""),
        ("memory bit", "memory_pJ_per_bit", "", "memory_um2_per_bit"),
        ("bus bit", "wire_pJ_per_bit", "", "wire_um2_per_array"),
    ],
)
def test_a_unit_costs_what_its_constants_say(unit: str, pJ: str, ns: str, um2: str) -> None:
    k, law = load_constants().on(65), (8, 65, 1e9 / load_constants()["adc_ns"][1])
    pJ_of = {
        "converter": k["adc_energy_factor"] * adc_energy_pJ(*law),
        "device": k["supply_V"] * 0.5 * k["activation_ns"],
        "cell": 1e-3 * k["read_ns"],
        "word line": 1e-3 * k["word_line_fJ_per_cell"],
    }
    um2_of = {"converter": k["adc_area_factor"] * adc_area_um2(*law), "cell": k["cell_F2"] * 0.065**2}
    cost = UNITS[unit][1](k, *([0.5] if unit == "device" else []))
    for found, words, own in (
        (cost.energy_pJ, pJ, pJ_of),
        (cost.latency_ns, ns, {}),
        (cost.area_um2, um2, um2_of),
    ):
        names = [words] if words in own else words.split()
        wanted = sum((own[name] if name in own else k[name] for name in names), np.zeros(3))
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_constants_have_bounds(here: Path) -> None:
    known = load_constants()
    assert [known.on(node).node_nm for node in (5, 500, None)] == [5, 500, known.node_nm]
    for node in (4.9, 501, True, "a", np.nan):
        with pytest.raises(CostError, match=r"node is .*; accepted: a number, 5\.\.500"):
            known.on(node)  # type: ignore[arg-type]
    for high, fits in (("1.0e15", True), ("1e15", True), ("1.1e15", False)):
        line = "read_ns: {low: 1, typical: 10, high: 100"
        assert line in CONSTANTS.read_text()
        Path("own.yaml").write_text(CONSTANTS.read_text().replace(line, line.replace("100", high)))
        with nullcontext() if fits else pytest.raises(CostError, match=r"read_ns\.high is"):
            assert load_constants(Path("own.yaml"))["read_ns"][2] == 1e15


def test_constants_scale_by_their_kind_and_shares_add_up() -> None:
    """Areas by the square of the node; what names no node does not scale."""
    known = load_constants()
    for name, entry in known.given.items():
        power = {"pJ": 1.9, "fJ": 1.9, "um2": 2.0}.get(entry["unit"], 0.0) * (entry["node_nm"] is not None)
        np.testing.assert_allclose(known.on(130)[name], 2.0**power * known.on(65)[name], err_msg=name)
    for table in account(*hidden(12, 6), np.full((1, 12), 99)).tables():
        for place in (2, 4, 6):  # of energy, latency, area
            shares = [float(row[place].rstrip("%")) for row in table.rows if row[0] != "all"]
            assert sum(shares) == pytest.approx(100, abs=1)


def test_every_call_is_counted() -> None:
    """Rows and cells of a recurrent product, call by call, each with other codes."""
    network = load_network(Path(zoo.float_network()).with_name("float-lstm-japanese-vowels.npz"))
    x = np.random.default_rng(0).integers(0, 256, (16, network.inputs), np.uint8)
    program, die, _ = map_network(network, "ideal", x)
    step = program.products[0]
    work = account(program, die, x[:2]).works[1 + program.steps.index(step)]
    calls = [step.source(maps).reshape(2, -1) for maps in Core(program).calls(x[:2], noise=False)]
    assert len(calls) == program.calls > 1
    rows = np.concatenate(calls).astype(np.float64)
    arrays = -(-step.layer.outputs // die.chip.array.weights_across)
    assert use(work, "row DAC").times == np.count_nonzero(rows) / 2 * arrays
    pairs = die.arrays[0].mapped.cells.effective.sum(axis=(0, 2))
    assert use(work, "cell").times == pytest.approx((np.square(0.2 * rows / 255) @ pairs).sum() / 2)


def test_an_account_reports_its_progress_in_samples() -> None:
    program, die = hidden(2, 3)
    progress: list[tuple[int, int]] = []
    account_of(program, die, np.zeros((35, 2), np.uint8), progress=lambda *counts: progress.append(counts))
    assert progress == [(16, 35), (32, 35), (35, 35)]


@pytest.mark.parametrize(
    ("converter", "energy_pJ", "area_um2"),
    [
        ((3, 14, 1e6), 0.19524486937875338, 393.6919335674654),  # fewer bits than 4 count as 4
        ((4, 14, 1e6), 0.19524486937875338, 393.6919335674654),
        ((6, 130, 1e7), 14.85735664887976, 19950.04984470521),
        ((8, 32, 1e8), 1.7137119697683605, 3938.925228370414),
        ((10, 14, 1e9), 2.9475347295396137, 3089.8263317298365),
        ((12, 65, 1e9), 504.8312660379832, 66128.44526487529),
    ],
)
def test_the_converters_law_is_the_librarys(converter: Any, energy_pJ: float, area_um2: float) -> None:
    """Figures of hwcomponents-adc 1.0.21 (Python 3.13), get_energy and area:
    of bits, nm and Hz."""
    assert adc_energy_pJ(*converter) == pytest.approx(energy_pJ, rel=1e-6)
    assert adc_area_um2(*converter) == pytest.approx(area_um2, rel=1e-5)


def test_what_a_board_programs_twice_or_leaves_empty_is_multiplied_once() -> None:
    """Kernels side by side, and groups that share rows."""
    dense = Dense(np.ones((18, 6), np.float32), np.ones(6, np.float32))
    grouped = NetworkProduct(dense, (0,), Patches(shape=(4, 8, 8), kernel=(3, 3), groups=2))
    given = Network((grouped,), (4, 8, 8), "groups")
    x = np.random.default_rng(0).integers(0, 256, (16, 256), np.uint8)
    plain, placed = (
        ndrite.compile(given, "ideal", samples=x, codes=True, target=board)
        for board in (None, "ulx3s-85f-128")
    )
    assert placed.program.products[0].patches != plain.program.products[0].patches
    assert (
        ndrite.cost(placed, x[:1], codes=True).macs
        == ndrite.cost(plain, x[:1], codes=True).macs
        == 36 * 18 * 6
    )


@pytest.fixture
def work(here: Path) -> None:
    """The working folder: mine, 12-6-2, and x.npy."""
    network = random_network((12, 6, 2))
    ndrite.compile(network, chip_of(), samples=samples(network, 32), output="mine")
    np.save("x.npy", np.random.default_rng(2).integers(0, 256, (5, 12), np.uint8))


def test_tables_show_what_the_json_has(work: None, said: Any) -> None:
    found, told = ndrite.cost("mine", "x.npy", codes=True), said("cost mine --inputs x.npy --codes")
    units, names = {"energy_pJ": 1.0, "latency_ns": 1.0, "area_um2": 1e-6}, ("components", "steps")
    for table, entries in zip(found.tables(), (told[name] for name in names), strict=True):
        for row, entry in zip(table.rows, entries, strict=False):  # the table of components has their sum too
            assert row[0] in entry.values()
            for place, (name, unit) in enumerate(units.items()):
                low, typical, high = (unit * entry[name][key] for key in ("low", "typical", "high"))
                assert low <= typical <= high
                share = typical / (unit * told["total"][name]["typical"])
                number = [f"{v:,.0f}" if v >= 1000 else f"{v:.3g}" for v in (low, typical, high)]
                words = f"{number[1]} ({number[0]} .. {number[2]})" if high else "-"
                assert row[1 + 2 * place : 3 + 2 * place] == (words, f"{share:.1%}")
    assert words_of((0, 999.6, 1000)) == "1e+03 (0 .. 1,000)"
    for name, exponent in (("tops_per_W", 1e0), ("tops_per_mm2", 1e3)):
        total = {key: np.array([told["total"][key][a] for a in ("low", "typical", "high")]) for key in units}
        by = total["energy_pJ"] if name == "tops_per_W" else total["latency_ns"] * total["area_um2"]
        told_range = [told[name][a] for a in ("low", "typical", "high")]
        assert told_range == pytest.approx((exponent * 2 * found.macs / by)[::-1])


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
        ("mine --inputs x.npy --count 6", None, "count is 6; accepted: 1..5, as many as there are samples"),
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
