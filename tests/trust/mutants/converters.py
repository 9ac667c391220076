"""Converters of a compiled layer, and the cells before them."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

CONVERTERS = ("tests/emulator/mapping/test_converters.py",)
RANGES = ("tests/emulator/mapping/test_ranges.py",)
CELLS = ("tests/emulator/mapping/test_cells.py",)

COLUMNS = ("tests/emulator/mapping/test_columns.py",)

MUTANTS = (
    Mutant(
        "emulator/mapping/columns.py",
        "readout.column_noise_percent / 100 * full * chip.noise_factor,",
        "readout.column_noise_percent / 200 * full * chip.noise_factor,",
        "column noise is half as large",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/columns.py",
        "readout.column_offset_percent / 100 * full * mismatch[1]",
        "readout.column_offset_percent / 100 * full * mismatch[0]",
        "a column's offset follows its gain",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/columns.py",
        "np.sqrt(var_cell / 256 * len(self.mapped.codes))",
        "np.sqrt(var_cell / 256)",
        "one bias row's read noise stands for all",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/columns.py",
        "levels = np.sign(wanted) * (whole + (np.arange(rows)[:, None] < rest))",
        "levels = np.sign(wanted) * whole * np.ones((rows, 1))",
        "a bias has only the levels that its rows share",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/layer.py",
        "correction = (wanted - linear).mean(axis=0) if measures.bias_correction",
        'correction = (wanted - linear).mean(axis=0) if chip.readout.bias == "digital"',
        "bias cells do not hold what their columns lack",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/layer.py",
        "ratio = neurons.peaks",
        "ratio = None",
        "columns of a circuit have scales of their own",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/die.py",
        "bias = dataclasses.replace(bias, mapped=_aged(bias.mapped, chip))",
        "pass",
        "bias cells do not age",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/program_of.py",
        "sigma_out=total_noise(array.columns, array.bias, layer.var_cell),",
        "sigma_out=0,",
        "an aged circuit has no noise",
        COLUMNS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "bound = largest * np.max(tiles, axis=0)",
        "bound = largest * np.sum(tiles, axis=0)",
        "a range for all tiles together",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "bound = largest * np.max(tiles, axis=0)",
        "bound = largest * tiles[0]",
        "a range for the first tile",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "largest = (1 << chip.input.dac_bits) - 1",
        "largest = 255",
        "a slice's range is a whole input's",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "GAIN_CORRECTION = (0.25, 4.0)",
        "GAIN_CORRECTION = (0.25, 400.0)",
        "gain correction without an end",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "a, b = wanted - wanted.mean(axis=0), linear - linear.mean(axis=0)",
        "a, b = wanted, linear",
        "gains fitted through 0 instead of the means",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "return _range(built.gain * factor, built",
        "return _range(built.gain / factor, built",
        "gains trimmed the wrong way",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "np.clip(np.rint(gain), 1, GAIN_MAX)",
        "np.clip(np.rint(gain), 0, GAIN_MAX)",
        "a converter of gain 0",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "np.clip(np.rint(offset), OFFSET_MIN, OFFSET_MAX)",
        "np.rint(offset)",
        "an offset beyond its register",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/converters.py",
        "np.sqrt(np.mean(power, axis=0)) / ((1 << bits) - 1)",
        "np.mean(power, axis=0) / ((1 << bits) - 1)",
        "mean squares for root mean squares on rows",
        CONVERTERS,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "reach = np.abs(centre) * float((1 << adc_bits) - 1) / (2 * OFFSET_MAX)",
        "reach = np.abs(centre) * 0.0",
        "ranges finer than their offset can say",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "half = np.maximum(half, max(half.max() / RANGE_SPAN, 1.0))",
        "half = np.maximum(half, 1.0)",
        "a dead column takes the others' gain bits",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "place = np.tile(np.repeat(4.0 ** (dac_bits",
        "place = np.tile(np.repeat(2.0 ** (dac_bits",
        "slices count by their place value, not by its square",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "chosen = np.full(columns, (errors * weight**2).sum(axis=1).argmin())",
        "chosen = np.full(columns, errors.sum(axis=1).argmin())",
        "large sums of small logits choose the range",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "offset = np.clip(np.rint(-centre * gain / (1 << shift) - 0.5)",
        "offset = np.clip(np.rint(-centre * gain / (1 << shift) + 0.5)",
        "a range's middle half a step too high",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "np.square(step) / 12 * place.mean()",
        "np.square(step) / 3 * place.mean()",
        "rounding costs four times what it does",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/ranges.py",
        "factors = FACTORS if bound is None else np.ones(1)",
        "factors = FACTORS",
        "a given bound is tried at other factors",
        RANGES,
    ),
    Mutant(
        "emulator/mapping/cells.py",
        "result[1 - side][half] = np.minimum(cell.g_min_uS + step * level, cell.g_max_uS)[half]",
        "result[1 - side][half] = other[half]",
        "cells make up for their neighbour between levels",
        CELLS,
    ),
    Mutant(
        "emulator/mapping/cells.py",
        "voltage = np.full(rows, chip.input.read_voltage_V) if row_voltage_V is None else row_voltage_V",
        "voltage = np.full(rows, chip.input.read_voltage_V)",
        "cubic cells are linearised at the read voltage",
        CELLS,
    ),
    Mutant(
        "emulator/mapping/cells.py",
        "v = voltage[k : k + layout.rows]",
        "v = voltage[: part.shape[1]]",
        "later tiles are linearised at the first one's voltages",
        CELLS,
    ),
)
