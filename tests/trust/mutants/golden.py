"""The arithmetic of the golden model, and compiling."""

from __future__ import annotations

from tests.trust.mutants.mutant import GOLDEN, Mutant

MUTANTS = (
    Mutant(
        "emulator/spec/arithmetic.py",
        "(v + (1 << (s - 1))) >> s",
        "(v + (1 << (s - 1)) - 1) >> s",
        "a half rounds down",
        ("tests/emulator/spec",),
    ),
    Mutant(
        "emulator/spec/arithmetic.py",
        "return r - (r * r > v)",
        "return r",
        "equivalent: below 2^50 the root of a float never rounds up to the next integer",
        ("tests/emulator/spec",),
    ),
    Mutant(
        "emulator/spec/arithmetic.py",
        "(x >> (j * dac_bits)) & ((1 << dac_bits) - 1)",
        "(x >> j) & ((1 << dac_bits) - 1)",
        "slices overlap",
        ("tests/emulator/spec", GOLDEN),
    ),
    Mutant(
        "emulator/golden/readout.py",
        "clip(c, -half, half - 1)",
        "clip(c, -half, half)",
        "ADC range one code too wide",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/readout.py",
        "return c << (dac_slice * layer.dac_bits)",
        "return c << dac_slice",
        "slices weighted by their number",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/neuron.py",
        "segment = (v - V_MIN) >> f",
        "segment = (v - V_MIN + 1) >> f",
        "segment border off by one",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/neuron.py",
        "(base << f) + slope * r, f + h), 0, INPUT_MAX)",
        "(base << f) + slope * r, f + h), 0, 256)",
        "activation clip one too high",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/noise.py",
        "+ ((var_cell * energy.astype(np.int64)) >> 8)",
        "+ ((var_cell * energy.astype(np.int64)) >> 7)",
        "cell noise twice as large",
        (GOLDEN + "/test_core.py", GOLDEN + "/test_noise.py"),
    ),
    Mutant(
        "emulator/golden/noise.py",
        "np.minimum(isqrt(radicand), SIGMA_MAX)",
        "isqrt(radicand)",
        "sigma not limited",
        (GOLDEN,),
    ),
    Mutant(
        "emulator/golden/noise.py",
        "round_key = key[:, i % 4, None] ^ np.uint16(i)",
        "round_key = key[:, i % 4, None]",
        "round constant left out",
        (GOLDEN + "/test_noise.py",),
    ),
    Mutant(
        "emulator/golden/redraw.py",
        "np.where(u < variation.stuck_low,",
        "np.where(u <= variation.stuck_low,",
        "one stuck cell in 65536 too many",
        (GOLDEN + "/test_redraw.py",),
    ),
    Mutant(
        "emulator/golden/redraw.py",
        "g[..., 1], uniform[..., 1], variation)",
        "g[..., 0], uniform[..., 1], variation)",
        "both cells of a pair share one sample",
        (GOLDEN + "/test_redraw.py",),
    ),
    Mutant(
        "emulator/golden/fast_loops.py",
        "min(max(c, -top - 1), top) << left",
        "min(max(c, -top), top) << left",
        "compiled ADC's lowest code missing",
        (GOLDEN,),
    ),
    Mutant(
        "emulator/golden/fast_loops.py",
        "sigma[b] = min(root(radicand), 65535)",
        "sigma[b] = root(radicand)",
        "compiled sigma not limited",
        (GOLDEN,),
    ),
    Mutant(
        "emulator/compile/pwl.py",
        "base = np.rint((residual.max(axis=-1) + residual.min(axis=-1)) / 2 * unit)",
        "base = np.rint(residual.max(axis=-1) * unit)",
        "line laid above its curve",
        ("tests/emulator/compile/test_pwl.py",),
    ),
    Mutant(
        "emulator/compile/weights.py",
        "codes = np.minimum(code_plus, top) - np.minimum(code_minus, top)",
        "codes = code_plus - code_minus",
        "codes not limited",
        ("tests/emulator/compile",),
    ),
    Mutant(
        "emulator/compile/weights.py",
        "unit=limits * (scale / (top * (cell.g_max_uS - cell.g_min_uS)))",
        "unit=limits * (scale / (top * cell.g_max_uS))",
        "unit of a code from the wrong range",
        ("tests/emulator/compile",),
    ),
    Mutant(
        "emulator/compile/weights.py",
        "np.maximum(np.stack([levels, -levels]), 0)",
        "np.abs(np.stack([levels, -levels]))",
        "both cells of a pair programmed",
        ("tests/emulator/compile",),
    ),
)
