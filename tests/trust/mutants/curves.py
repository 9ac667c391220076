"""Windows and tables of neurons."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

PWL = ("tests/emulator/mapping/test_pwl.py",)

LOAD = ("tests/emulator/device/test_circuit.py", "tests/emulator/mapping/test_circuits.py")

TEMPERATURE = ("tests/emulator/device/test_temperature.py", "tests/emulator/mapping/test_temperature.py")
SHAPES = ("tests/emulator/mapping/test_shapes.py",)

MUTANTS = (
    Mutant(
        "emulator/device/ndr/temperature.py",
        "(1.0 / self.reference_K - 1.0 / kelvin)",
        "(1.0 / kelvin - 1.0 / self.reference_K)",
        "the thermal current falls with temperature",
        TEMPERATURE,
    ),
    Mutant(
        "emulator/device/ecram/retention.py",
        "(1.0 / kelvin - 1.0 / self.reference_K)",
        "(1.0 / self.reference_K - 1.0 / kelvin)",
        "heat keeps an ECRAM's state",
        TEMPERATURE,
    ),
    Mutant(
        "emulator/device/description/schema.py",
        "return 1.0 if given is None else (self.temperature_K / given) ** 0.5",
        "return 1.0",
        "noise does not know the temperature",
        TEMPERATURE,
    ),
    Mutant(
        "emulator/mapping/die.py",
        "neurons = _set(neurons, kept(neurons.states, chip, passed_s), chip)",
        "pass",
        "a die's ECRAMs do not age with it",
        TEMPERATURE,
    ),
    Mutant(
        "emulator/mapping/shapes.py",
        "states[error.argmin(axis=1)]",
        "states[error.argmin(axis=1)[::-1]]",
        "neurons get each other's shapes",
        SHAPES,
    ),
    Mutant(
        "emulator/mapping/devices.py",
        "of, individual = shaped_devices(chip, of, states), True",
        "individual = True",
        "the state of a shape is set and not used",
        SHAPES,
    ),
    Mutant(
        "emulator/device/ndr/circuit.py",
        "return v, current, v + self.source_resistance_ohm * current",
        "return v, current, v + 1.02 * self.source_resistance_ohm * current",
        "the load line is two percent too flat",
        LOAD,
    ),
    Mutant(
        "emulator/device/ndr/circuit.py",
        "np.maximum.accumulate(source)[:-1]",
        "source[:-1]",
        "the way up does not jump",
        LOAD,
    ),
    Mutant(
        "emulator/device/ndr/circuit.py",
        "source_resistance_ohm * part, self.capacitance_F / part",
        "source_resistance_ohm, self.capacitance_F / part",
        "a smaller device loads its source as the nominal one",
        LOAD,
    ),
    Mutant(
        "emulator/device/ndr/window.py",
        "return (CODES - CODES // self.segments) / (self.high - self.low)",
        "return CODES / (self.high - self.low)",
        "a window spans the segment below it as well",
        PWL,
    ),
    Mutant(
        "emulator/device/ndr/window.py",
        "(after, at[:, 1])",
        "(before, at[:, 0])",
        "what lies above a window is not counted",
        PWL,
    ),
    Mutant(
        "emulator/device/ndr/window.py",
        "(before, at[:, 0])",
        "(after, at[:, 1])",
        "what lies below a window is not counted",
        PWL,
    ),
    Mutant(
        "emulator/device/ndr/window.py",
        "float(tail * INPUT_MAX)",
        "float(tail)",
        "a tail in parts of the range",
        PWL,
    ),
    Mutant(
        "emulator/device/ndr/pwl.py",
        "slope = np.rint(_minimax_slope(pieces, r) * (1 << f) * unit)",
        "slope = np.floor(_minimax_slope(pieces, r) * (1 << f) * unit)",
        "slopes are rounded down",
        PWL,
    ),
    Mutant(
        "emulator/device/ndr/pwl.py",
        "if values.min() < CURVE_MIN or values.max() > CURVE_MAX:",
        "if values.max() > CURVE_MAX:",
        "equivalent: a segment that falls by more than 18 bits hold begins above them",
        PWL,
    ),
)
