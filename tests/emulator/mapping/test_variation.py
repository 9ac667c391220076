"""The integer tables of virtual chips against the physics they stand for."""

import numpy as np
import pytest

from emulator.device.description import Chip, load_chip
from emulator.golden.redraw import redraw
from emulator.mapping.variation import variation_of, without_errors
from emulator.mapping.weights import map_weights
from tests.chips import changed

CHIPS = ("dendritic-ndr", "wan2022", "ibm-cmo-hfox-2", "milo2021")


@pytest.mark.parametrize("name", CHIPS)
def test_virtual_chips_spread_as_programmed_ones(name: str) -> None:
    """Mean and deviation of weights, level by level: integer draws against the float programming model."""
    # Rare stuck cells would dominate a sample's deviation; their rates have a test of their own.
    cell = changed(name, cell={"stuck_low_percent": 0.0, "stuck_high_percent": 0.0}).cell
    chip = Chip(name="cell", cell=cell)  # ideal wires, at once
    rng = np.random.default_rng(0)
    levels = np.linspace(-1, 1, 2 * chip.cell.levels - 1)
    floats = np.repeat(levels[:, None], 4000, axis=1).T.copy()  # every column has every level
    ideal = without_errors(chip)
    nominal = map_weights(floats.T, chip, rng, ratio=np.ones(len(floats)), programmed_on=ideal).codes
    real = map_weights(floats.T, chip, rng, ratio=np.ones(len(floats))).codes
    drawn = redraw(nominal, variation_of(chip), seed=1, chip=0, layer=0)
    deviation = real.std(axis=1)
    limit = 5 * deviation / np.sqrt(real.shape[1])
    # One code of rounding; both clip at 0 once, after programming and ageing.
    assert (np.abs(real.mean(axis=1) - drawn.mean(axis=1)) < limit + 1.0).all()
    assert np.allclose(deviation, drawn.std(axis=1), rtol=0.08, atol=0.4)


def test_tables_say_what_the_chip_says() -> None:
    v = variation_of(load_chip("dendritic-ndr"))
    assert (v.stuck_low, v.stuck_high, v.stuck_code_low, v.code_max) == (66, 66, 0, 255)  # 0.1 % of 65536
    quiet = variation_of(without_errors(load_chip("dendritic-ndr")))
    assert (quiet.sigma.any(), quiet.stuck_low, quiet.stuck_high) == (False, 0, 0)
    stuck = {"stuck_low_percent": 1.0, "stuck_high_percent": 2.0, "stuck_low_uS": 5.0, "stuck_high_uS": 30.0}
    chip = changed("wan2022", cell=stuck)
    v = variation_of(chip)
    # Full scale 40 + 4 sigma(40) = 44.412 uS.
    assert (v.stuck_code_low, v.stuck_code_high) == (round(5.0 / 44.412 * 255), round(30.0 / 44.412 * 255))
    assert (v.stuck_low, v.stuck_high) == (655, 1311)
    v = variation_of(changed(chip, cell={"stuck_low_percent": 60.0, "stuck_high_percent": 40.0}))
    assert v.stuck_low == 39322
    assert v.stuck_low + v.stuck_high == 65535, "rates in 16 bits never add up to more than there are"
