"""What devices do, in floating point."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

STATISTICS = ("tests/emulator/device/test_statistics.py",)
CELLS = ("tests/emulator/mapping/test_cells.py",)
ECRAM = ("tests/emulator/device/test_ecram.py",)
RRAM = ("tests/emulator/device/test_rram.py",)
WIRES = ("tests/emulator/mapping/test_wires.py",)
CROSSBAR = ("tests/emulator/device/test_crossbar.py",)

MUTANTS = (
    Mutant(
        "emulator/mapping/wires.py",
        "return nearest(wanted / rise / part, top), limits * rise",
        "return levels, limits * rise",
        "cells programmed for what wires take from other levels",
        CELLS,
    ),
    Mutant(
        "emulator/mapping/wires.py",
        "rise**2 * spread[np.abs(levels)].sum()",
        "0.0 * spread[np.abs(levels)].sum()",
        "limits rise whatever the cells' errors",
        WIRES,
    ),
    Mutant(
        "emulator/mapping/wires.py",
        "levels, out=np.ones(levels.shape), where=levels != 0)",
        "1.0, out=np.ones(levels.shape), where=levels != 0)",
        "what wires leave is measured against one step",
        WIRES,
    ),
    Mutant(
        "emulator/mapping/layer.py",
        "gains, step, linear = gains * rest, step * rest, linear * rest",
        "gains, linear = gains * rest, linear * rest",
        "the one gain of analog columns does not reach their transimpedance",
        WIRES,
    ),
    Mutant(
        "emulator/mapping/mitigation.py",
        'return "common" if chip.readout.is_circuit else "column"',
        'return "column"',
        "analog columns have a gain each",
        WIRES,
    ),
    Mutant(
        "emulator/mapping/explain/causes.py",
        "(effective - faulted) + (programmed_for - wanted)",
        "effective - faulted",
        "what compensation does to levels counts for no cause",
        ("tests/emulator/mapping/explain/test_explain.py",),
    ),
    Mutant(
        "emulator/device/rram/faults.py",
        " and self.low_rate + self.high_rate <= 1)",
        ")",
        "stuck rates that add up to more than 1",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/faults.py",
        "if not 0 <= self.low_uS <= self.high_uS:",
        "if not 0 <= self.low_uS:",
        "stuck low above stuck high",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/faults.py",
        "self.low_rate >= 0 and self.high_rate >= 0",
        "self.low_rate >= 0",
        "a negative rate of cells stuck high",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/faults.py",
        "stuck[u >= 1.0 - self.high_rate] = STUCK_HIGH",
        "stuck[(u >= self.low_rate) & (u < self.low_rate + self.high_rate)] = STUCK_HIGH",
        "cells stuck high from the low end of the draws",
        CELLS,
    ),
    Mutant(
        "emulator/device/ndr/tuning.py",
        "SMALLEST_FACTOR = 0.05",
        "SMALLEST_FACTOR = -100.0",
        "a varied parameter without a floor",
        ECRAM,
    ),
    Mutant(
        "emulator/device/rram/programming.py",
        "if not read_time_s <= time_s < np.inf:",
        "if not 0 <= time_s < np.inf:",
        "read noise before the read",
        RRAM,
    ),
    Mutant(
        "emulator/device/rram/programming.py",
        "if not 0 <= value < np.inf:",
        "if not 0 <= value:",
        "infinite conductances have read noise",
        RRAM,
    ),
    Mutant(
        "emulator/device/rram/programming.py",
        'IBM_CMO_02 = ProgrammingError(\n    "ibm-cmo-hfox-0.2", (0.00081107, 0.00106879), 1.0, (8.0, 90.0)',
        'IBM_CMO_02 = ProgrammingError(\n    "ibm-cmo-hfox-0.2", (0.00081107, 0.00106879), 1.0, (0.0, 90.0)',
        "a programming error below the published range",
        RRAM,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "if not low <= time_s <= high:",
        "if not low <= time_s:",
        "drift beyond the published times",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "return readable(moved)",
        "return np.asarray(moved, np.float64)",
        "conductances drift below 0",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "return self._factor * self._model.sigma(target_uS, time_s)",
        "return self._model.sigma(target_uS, time_s)",
        "a scaled drift spreads as before",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "return self._model.shift(target_uS, time_s)",
        "return self._factor * self._model.shift(target_uS, time_s)",
        "a scaled drift shifts more",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "model.sigma(target_uS, time_s) * noise",
        "model.sigma(g_uS, time_s) * noise",
        "ageing goes by where a cell landed",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/ecram/pulses.py",
        "(1.0 - gamma * d / abs(bound)) ** n, self.w_min, self.w_max)",
        "(1.0 - gamma * d / abs(bound)) ** n, None, None)",
        "the closed form runs past the bounds",
        ECRAM,
    ),
    Mutant(
        "emulator/device/ecram/pulses.py",
        "step_down=self.step_down * step * max(1.0 - asymmetry, 0.01)",
        "step_down=self.step_down * step * max(1.0 + asymmetry, 0.01)",
        "asymmetry makes both steps larger",
        ECRAM,
    ),
    Mutant(
        "emulator/device/ecram/pulses.py",
        "step = max(1.0 + spread.step_sigma * xi[0], 0.01)",
        "step = 1.0 + spread.step_sigma * xi[0]",
        "devices whose steps go the other way",
        ECRAM,
    ),
    Mutant(
        "emulator/device/ecram/pulses.py",
        "gamma_down=float(np.clip(self.gamma_down * (1.0 + spread.gamma_sigma * xi[5]), 0.0, 1.0))",
        "gamma_down=float(np.clip(self.gamma_down * (1.0 + spread.gamma_sigma * xi[4]), 0.0, 1.0))",
        "both gammas of a device are one draw",
        ECRAM,
    ),
    Mutant(
        "emulator/device/ecram/pulses.py",
        "noise = 0.0 if rng is None else self.cycle_sigma * rng.standard_normal(w.shape)",
        "noise = 0.0",
        "exponential devices without cycle noise",
        ECRAM,
    ),
    Mutant(
        "emulator/device/ecram/pulses.py",
        "np.all(np.less(self.w_min, 0)) and np.all",
        "np.all(np.less_equal(self.w_min, 0)) and np.all",
        "a bound at 0",
        ECRAM,
    ),
    Mutant(
        "emulator/device/array/crossbar.py",
        "if g.ndim != 2 or g.size == 0:",
        "if g.ndim != 2:",
        "arrays without cells",
        CROSSBAR,
    ),
    Mutant(
        "emulator/device/array/nonlinear.py",
        "across * np.divide(branch, secant, out=np.ones_like(g), where=secant > 0)",
        "across",
        "cubic cells at the voltage of cell and transistor",
        CROSSBAR,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "first = np.exp(-mean * age + np.square(deviation * age) / 2)",
        "first = np.exp(-mean * age)",
        "the mean of a power is the power of the mean exponent",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/drift.py",
        "return np.sqrt(self.factor(target_uS, time_s)[1])",
        "return np.ones_like(target_uS)",
        "phase-change cells drift, their programming error does not",
        STATISTICS,
    ),
    Mutant(
        "emulator/device/rram/programming.py",
        "** 0.65, 0.2)",
        "** 0.65, 2.0)",
        "1/f noise of nearly empty cells without its limit",
        STATISTICS,
    ),
)
