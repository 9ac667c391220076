"""export: decks that ngspice runs, Verilog-A that OpenVAF compiles."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.compiled import Compiled
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.ecram.pulses import Exponential, LinearStep
from ndrite.emulator.device.ndr.curves import Bell, Double, Esaki, Table, Tunnel
from ndrite.emulator.device.verilog_a import PULSE_S, current_law, pulse_rates, verilog_a
from ndrite.emulator.errors import PhysicsError
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network
from ndrite.emulator.mapping.deck import drawn
from ndrite.verbs.export import export
from tests.chips import changed, mitigated, random_network, samples
from tests.emulator.device.ngspice import needs_ngspice, simulated
from tests.emulator.device.nodal import operating_points
from tests.extras import needs
from tests.stimulus import quiet

MEASURED = Table(np.array([-0.1, 0.0, 0.1, 0.3, 0.6]), np.array([-2e-3, 0.0, 1e-3, 1e-4, 5e-4]))
DEVICES = [Tunnel(0.1, 1e-3), Esaki(), Bell(0.3, 1e-6, 0.05), Double(0.1, 1e-3, 0.4, 0.7), MEASURED]


def small(rows: int, columns: int, chip: str, **sections: Any) -> tuple[Any, Any]:
    """A network rows - columns - 4 on a chip, and samples."""
    network = random_network((rows, columns, 4), seed=rows)
    x = samples(network, 200)
    return map_network(network, changed(chip, **sections), x, options=mitigated(row_placement=True)), x


def compare(folder: Path, mapped: Any, x: Any, count: int) -> None:
    """Within 1e-6 of full scale before codes, 1 step of 255 after."""
    deck, columns_uA, wanted = drawn(mapped.die, 0, x[:count].astype(np.int64), "deck.out")
    seen = simulated(folder, deck)[:, 1:]
    columns = columns_uA.shape[1]
    full = np.abs(columns_uA).max()
    assert np.abs(seen[:, :columns] - columns_uA).max() < 1e-6 * full
    if wanted is None:
        return
    outputs = seen[:, columns:]
    assert np.ptp(outputs) > 0.3
    assert np.abs(outputs - wanted).max() < 1e-6
    assert np.abs(np.rint(255 * outputs) - np.rint(255 * wanted)).max() <= 1
    # The golden model beside it: conductance codes and straight pieces of the curves
    # are not in a deck.
    codes = np.asarray(Core(mapped.program).maps(x[:count], noise=False)[1]).reshape(count, -1)
    assert np.abs(np.rint(255 * outputs) - codes).mean() < 1.5


SECTIONS = [
    {},
    {"array": {"rows": 8, "columns": 8, "pairs": "interleaved"}},
    {"cell": {"stuck_low_percent": 5.0, "stuck_high_percent": 5.0}},
    {"array": {"access_resistance_ohm": 3000.0, "wire_resistance_ohm": 20.0}},
    {"neuron": {"source_resistance_ohm": 0.0}},
    {"neuron": {"capacitance_pF": 1.0, "inductance_nH": 1.0}},
    {"neuron": {"model": "bell"}},
    {"chip": "wan2022"},
]


SHAPED = {"ecram": {"tunes": "valley", "shape_low_factor": 0.5, "shape_high_factor": 1.2}}


@pytest.mark.parametrize(
    "sections",
    [
        *SECTIONS,
        {"ecram": {"tunes": "peak_voltage"}},
        SHAPED,
        {"chip": "ideal"},
        {"neuron": {"peak_voltage_variation_percent": 0.0, "peak_current_variation_percent": 0.0}},
    ],
)
def test_a_product_is_what_its_deck_says_by_nodal_analysis(sections: dict[str, Any]) -> None:
    mapped, x = small(9, 3, **({"chip": "dendritic-analog"} | sections))
    deck, columns_uA, outputs = drawn(mapped.die, 0, x[:3].astype(np.int64), "deck.out")
    points = operating_points(deck)
    columns = columns_uA if outputs is None else np.hstack([columns_uA, outputs])
    np.testing.assert_allclose(points, columns, atol=1e-5 * np.abs(columns).max())
    assert outputs is None or np.ptp(outputs) > 0.1


def test_cells_that_bend_have_their_conductance_at_the_read_voltage() -> None:
    mapped, x = small(6, 3, chip="wan2022", cell={"iv_cubic_per_V2": 4.0})
    deck = drawn(mapped.die, 0, x[:1].astype(np.int64), "deck.out")[0]
    read_V = mapped.die.chip.input.read_voltage_V
    laws = [line.partition(" I=")[2] for line in deck.splitlines() if re.match(r"Br\w*c\d", line)]
    currents = [eval(re.sub(r"v\([^)]*\)", repr(read_V), law)) for law in laws]
    conductances = mapped.die.arrays[0].mapped.cells.faulted * 1e-6
    np.testing.assert_allclose(np.sort(currents), np.sort(read_V * conductances[conductances > 0]), rtol=1e-6)
    assert "(1+4*" in laws[0]


@needs_ngspice
@pytest.mark.parametrize("sections", SECTIONS)
def test_a_product_is_ngspices(tmp_path: Path, sections: dict[str, Any]) -> None:
    mapped, x = small(20, 6, **({"chip": "dendritic-analog"} | sections))
    compare(tmp_path, mapped, x, 3)


def test_a_deck_says_that_reads_end_before_it_settles() -> None:
    timed = {"capacitance_pF": 1.0, "read_time_ns": 0.5}
    mapped, x = small(6, 3, chip="dendritic-analog", neuron=timed)
    deck = drawn(mapped.die, 0, x[:1].astype(np.int64), "deck.out")[0]
    assert "* the emulator reads after 0.5 ns: an operating point has settled" in deck.splitlines()


def test_a_deck_has_the_capacitance_and_the_inductance_of_every_neuron() -> None:
    """An operating point does not depend on them."""
    mapped, x = small(6, 3, "dendritic-analog", neuron={"capacitance_pF": 2.0, "inductance_nH": 0.5})
    deck = drawn(mapped.die, 0, x[:1].astype(np.int64), "deck.out")[0]
    values = [line.split() for line in deck.splitlines() if line[:2] in ("Cd", "Ls")]
    assert {name: float(value) for name, *_, value in values} == {
        f"{part}{m}": farad_or_henry
        for m in range(3)
        for part, farad_or_henry in (("Cd", 2e-12), ("Ls", 5e-10))
    }


def test_wires_that_have_not_settled_are_not_drawn() -> None:
    timed = {"wire_resistance_ohm": 1.0, "wire_capacitance_fF": 100.0, "read_time_ns": 5.0}
    mapped, x = small(6, 3, "dendritic-analog", array=timed)
    with pytest.raises(PhysicsError, match=r"array.read_time_ns is 5.0; accepted: none, as a deck's"):
        drawn(mapped.die, 0, x[:1].astype(np.int64), "deck.out")


@needs_ngspice
def test_any_name_of_a_deck_has_results_of_the_last_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    mapped, x = small(6, 3, "wan2022")
    whole = Compiled(random_network((6, 3, 4), seed=6), mapped.program, mapped.die, x)
    name = "a deck, of $mine;.cir"
    found = export(whole, x, spice=name, count=2).values
    for _ in range(2):
        subprocess.run(["ngspice", "-b", name], capture_output=True, check=False)
    seen = np.loadtxt(found["results"])[:, 1:]
    np.testing.assert_allclose(seen[:, :3], found["columns_uA"], atol=1e-9)


def test_a_decks_rows_are_driven_by_the_codes_without_read_noise(tmp_path: Path) -> None:
    """Of the second product, at the first so many samples."""
    mapped, x = small(20, 6, "wan2022", readout={"output_noise_lsb": 8.0})
    whole = Compiled(random_network((20, 6, 4), seed=20), mapped.program, mapped.die, x)
    found = export(whole, x, spice=tmp_path / "deck.cir", product=1, count=3).values
    codes = Core(quiet(mapped.program)).maps(x[:3])[1].reshape(3, -1)
    deck, columns_uA, _ = drawn(mapped.die, 1, codes.astype(np.int64), "deck.out")
    assert found["columns_uA"] == columns_uA.tolist()
    assert (tmp_path / "deck.cir").read_text() == deck


@needs_ngspice
@pytest.mark.long
def test_a_whole_array_is_ngspices(tmp_path: Path) -> None:
    """128 x 128 with wires, bias rows and neurons: two samples, or as many as
    NDRITE_SPICE says."""
    mapped, x = small(128, 128, "dendritic-analog")
    compare(tmp_path, mapped, x, int(os.environ.get("NDRITE_SPICE", "2")))


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: type(d).__name__)
def test_a_law_is_the_devices(device: Any) -> None:
    """The expression, evaluated by Python, which reads it as well."""
    law = current_law(device, "v")
    volts = np.linspace(-0.3, 0.8, 200)
    names = {"exp": np.exp, "max": max, "min": min}
    found = [eval(law, names, {"v": v}) for v in volts]
    np.testing.assert_allclose(found, device.current(volts), rtol=1e-12, atol=1e-18)


ECRAMS = [
    LinearStep(step_up=0.02, step_down=0.01, w_min=-0.8, w_max=1.2, gamma_up=0.1, gamma_down=0.5),
    LinearStep(step_up=0.02, step_down=0.03, w_min=-0.8, w_max=1.2),
    Exponential(pulses=60, a_up=30.0, a_down=12.0),
]


@needs_ngspice
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("model", ECRAMS, ids=["step", "linear", "exponential"])
def test_a_pulse_moves_an_ecram_as_its_model(tmp_path: Path, model: Any, way: str) -> None:
    """ngspice integrates the rate of the Verilog-A module through ten pulses."""
    rate = pulse_rates(model, "v(w)")[way == "down"]
    start = w = 0.4 * model.low + 0.6 * model.high
    wanted = [w := float(model.pulse(w, way == "up")) for _ in range(10)]
    deck = f"""* an ECRAM's state on a capacitor of 1 F
C1 w 0 1 IC={start}
B1 0 w I={rate}
.options reltol=1e-8 abstol=1e-12 vntol=1e-12 chgtol=1e-30
.control
set numdgt=15
tran {PULSE_S / 50} {10 * PULSE_S} 0 {PULSE_S / 50} uic
wrdata deck.out v(w)
.endc
.end
"""
    t, seen = simulated(tmp_path, deck)[:, [0, -1]].T
    np.testing.assert_allclose(np.interp(PULSE_S * np.arange(1, 11), t, seen), wanted, atol=1e-6)


def test_an_ecram_of_one_pulse_has_no_module() -> None:
    chip = changed("dendritic-ndr", ecram={"model": "exponential", "a_up": 0.01})
    with pytest.raises(PhysicsError, match=r"pulse covers is 1.0; accepted: below 1"):
        verilog_a(chip)


def test_openvaf_compiles_the_modules(tmp_path: Path) -> None:
    """And evaluates them: the device's current is ours."""
    openvaf = needs("openvaf_py")
    chip = load_chip("dendritic-analog")
    path = tmp_path / "devices.va"
    path.write_text(verilog_a(chip))
    found = {module.name: module for module in openvaf.compile_va(str(path))}
    assert set(found) == {"ndr", "rram", "ecram"}
    ndr = found["ndr"]
    for volts, state in ((0.05, 1.0), (0.2, 0.4), (0.45, 0.0)):
        values = dict.fromkeys(ndr.param_names, 0.0) | {"V(p,n)": volts, "V(s,n)": state, "mfactor": 1.0}
        ndr.run_init_eval(values)
        residuals, _ = ndr.evaluate_full(values)
        ecram, device = chip.ecram, chip.neuron.device
        wanted = float(ecram.current(state) * device.current(volts / ecram.voltage(state)))
        assert max(resist for resist, _ in residuals) == pytest.approx(wanted, rel=1e-9)
