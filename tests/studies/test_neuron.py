"""Latency x area x energy of one activation, by hand from the same constants."""

import pytest

from ndrite.costs.constants import ACCOUNTINGS, load_constants
from ndrite.costs.parts import adc_area_um2, adc_energy_pJ
from studies.neuron import NDR, report


def test_the_neuron_follows_from_the_same_constants() -> None:
    constants = load_constants()
    found = report(constants)
    paths = {p["path"]: p for p in found["paths"]}
    of = {name: (p["area_um2"]["typical"], p["energy_pJ"]["typical"]) for name, p in paths.items()}
    adc, dac = adc_energy_pJ(8, 130, 1e7), 0.291 * (130 / 40) ** 1.9
    # One table of 5 ns a column serves 20 columns in 100 ns.
    adc_um2, dac_um2 = 0.2 * adc_area_um2(8, 130, 1e7), 438 * (130 / 40) ** 2
    table_um2 = 300 * (130 / 32) ** 2 / 20
    by_hand = (adc_um2 + table_um2 + dac_um2, adc + 0.26 * (130 / 32) ** 1.9 + dac)
    assert of["digital"] == pytest.approx(by_hand)
    # 1 mA from 1.2 V for 100 ns; 8.02 uW for as long.
    assert of["ndr"] == pytest.approx((3 * 395 + 50 + 25, 3 * 1.45 + 120))
    assert of["analog"] == pytest.approx((2 * 395 + 1000 * (130 / 180) ** 2, 2 * 1.45 + 0.802))
    assert (found["supply_V"], found["speed_ns"]) == (1.2, 100)
    assert {p["latency_ns"][a] for p in paths.values() for a in ACCOUNTINGS} == {100}
    for path in paths.values():
        high = sum(part["energy_pJ"]["high"] for part in path["parts"])
        assert high == pytest.approx(path["energy_pJ"]["high"])
    ratios = {(r["neuron"], r["against"]): r for r in found["ratios"]}
    assert len(ratios) == 2 * len(NDR)
    for (neuron, against), r in ratios.items():
        lae = [paths[name]["lae"] for name in (against, neuron)]
        assert r["typical"] == pytest.approx(lae[0]["typical"] / lae[1]["typical"])
        # Parts that both have are the same ones, so that the range is within that of
        # independent ends.
        assert lae[0]["low"] / lae[1]["high"] < 1.001 * r["least"] < 1.001 * r["typical"]
        assert r["typical"] < r["greatest"] < 1.001 * lae[0]["high"] / lae[1]["low"]
        inside = r["least"] <= 1 <= r["greatest"]
        assert r["verdict"] == ("cannot be told" if inside else "better" if r["least"] > 1 else "worse")
    # A table's place between converters that are there anyway takes a DAC, a device and
    # a second converter.
    assert ratios["ndr with converters", "digital"]["greatest"] < 1
    assert {r["quoted"] for r in ratios.values()} == {516, 1.3e5}
