"""From weights, converters and noise to integers."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

CELLS = ("tests/emulator/mapping/test_cells.py",)
SCALING = ("tests/emulator/mapping/test_scaling.py",)
WEIGHTS = ("tests/emulator/mapping/test_weights.py",)
CHIPS = ("tests/emulator/device/description/test_chips.py",)
VARIATION = ("tests/emulator/mapping/test_variation.py",)
GRAPHS = ("tests/emulator/mapping/test_graphs.py",)
DIE = ("tests/emulator/mapping/test_die.py",)

MUTANTS = (
    Mutant(
        "emulator/mapping/samples.py",
        "gain = weight / (INPUT_MAX * step)",
        "gain = weight / (128 * step)",
        "second operands count twice",
        GRAPHS,
    ),
    Mutant(
        "emulator/mapping/nodes.py",
        "shift = 15 + int(np.floor(np.log2(counts.min())))",
        "shift = 16 + int(np.floor(np.log2(counts.min())))",
        "averages beyond 16 bits",
        GRAPHS,
    ),
    Mutant(
        "emulator/mapping/nodes.py",
        "border=round(wide.pad * INPUT_MAX)",
        "border=0",
        "the border's code is always 0",
        GRAPHS,
    ),
    Mutant(
        "emulator/mapping/nodes.py",
        "gains = [term.gain / (INPUT_MAX if term.b is not None else 1) for term in node.terms]",
        "gains = [term.gain / INPUT_MAX for term in node.terms]",
        "a gate's single maps count a 255th",
        GRAPHS,
    ),
    Mutant(
        "emulator/mapping/die.py",
        "cells = aged_cells(old.target, old.programmed, old.stuck, old.ageing, chip, old.row_voltage_V)",
        "cells = aged_cells(old.target, old.aged, old.stuck, old.ageing, chip, old.row_voltage_V)",
        "time passes twice",
        DIE,
    ),
    Mutant(
        "emulator/mapping/die.py",
        "return without_errors(self.chip) if self.nominal else self.chip",
        "return self.chip",
        "nominal cells age",
        DIE,
    ),
    Mutant(
        "emulator/mapping/die_file.py",
        "if manifest.get(FIELD) != digest(manifest, arrays):",
        "if FIELD not in manifest:",
        "a damaged die is read",
        DIE,
    ),
    Mutant(
        "emulator/mapping/program_of.py",
        "layer = dataclasses.replace(step.layer, weights=array.mapped.codes)",
        "layer = step.layer",
        "a die's cells stay what they were",
        DIE,
    ),
    Mutant(
        "emulator/mapping/generators.py",
        "return _generator(seed, layer), device",
        "return _generator(seed, 0), device",
        "every layer's cells draw the first one's numbers",
        CELLS,
    ),
    Mutant(
        "emulator/mapping/generators.py",
        "return _generator(seed, DEVICES + layer)",
        "return _generator(seed, DEVICES)",
        "every layer's converters and neurons draw the first one's numbers",
        CELLS,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "if scale.min() < 1:",
        "if scale.min() < 0:",
        "neurons of scale 0 are made",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "if not wanted.max() < SCALE_MAX:",
        "if not wanted.max() < 2 * SCALE_MAX:",
        "scales beyond 16 bits are made",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "sigma = READ_LAWS[cell.read_noise_model](mapped.cells.faulted,",
        "sigma = READ_LAWS[cell.read_noise_model](mapped.cells.target,",
        "read noise of the targets, not of the cells",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "np.sqrt(np.square(sigma).sum(axis=0).mean())",
        "np.sqrt(np.square(sigma).mean())",
        "read noise of one cell for the pair",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "if value > 65535:",
        "if value > 65536:",
        "cell noise a step beyond its register",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "if value > SIGMA_MAX:",
        "if value > 2 * SIGMA_MAX:",
        "output noise beyond its register",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/scaling.py",
        "if not np.abs(values).max() < 1 << 30:",
        "if not np.abs(values).max() < 1 << 40:",
        "biases that wrap in 32 bits",
        SCALING,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "return max(top, cell.stuck_at_uS[1]) if cell.stuck_high_percent else top",
        "return top",
        "no room in the codes for cells stuck above g_max",
        WEIGHTS,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "HEADROOM_SIGMAS * cell.spread(targets, time)",
        "HEADROOM_SIGMAS * cell.error_model.sigma(targets)",
        "no room in the codes for drift",
        CELLS,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "(targets + rise + HEAD",
        "(targets + HEAD",
        "equivalent: no drift law shifts conductances up",
        WEIGHTS,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "limited=int((np.abs(weights) > limits * (1 + 1e-6)).sum())",
        "limited=0",
        "weights beyond their column's limit are not counted",
        WEIGHTS,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "saturated = int((plus > top).sum() + (minus > top).sum())",
        "saturated = int((plus > top).sum())",
        "minus cells beyond the codes are not counted",
        WEIGHTS,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "column_limits(w.reshape(-1, 1), levels)[0])",
        "np.abs(w).max())",
        "one limit for all is the largest weight",
        WEIGHTS,
    ),
    Mutant(
        "emulator/device/rram/description.py",
        "high = self.g_max_uS if self.stuck_high_uS is None else self.stuck_high_uS",
        "high = self.g_max_uS",
        "cells stuck high are at g_max, whatever the description says",
        WEIGHTS,
    ),
    Mutant(
        "emulator/device/rram/description.py",
        "low = self.g_min_uS if self.stuck_low_uS is None else self.stuck_low_uS",
        "low = self.g_min_uS",
        "cells stuck low are at g_min, whatever the description says",
        WEIGHTS,
    ),
    Mutant(
        "emulator/device/rram/description.py",
        "if self.stuck_low_percent + self.stuck_high_percent > 100:",
        "if False:",
        "more than all cells are stuck",
        CHIPS,
    ),
    Mutant(
        "emulator/mapping/variation.py",
        "stuck_code_high=min(round(high * per_uS), top)",
        "stuck_code_high=top",
        "virtual cells stuck high have the largest code",
        VARIATION,
    ),
    Mutant(
        "emulator/mapping/variation.py",
        "FIXED_MAX - stuck_low)",
        "FIXED_MAX)",
        "rates of virtual stuck cells add up to more than all",
        VARIATION,
    ),
)
