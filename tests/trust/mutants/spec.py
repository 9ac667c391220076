"""The contract of gateware and host: files, bounds, memory map, schedule."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

BOUNDS = ("tests/emulator/spec/test_bounds.py",)
FILES = ("tests/emulator/spec/test_files.py",)
PROGRAM = ("tests/emulator/spec/test_program.py",)

MUTANTS = (
    Mutant(
        "emulator/spec/files.py",
        "    except BaseException:\n        partial.unlink(missing_ok=True)\n",
        "    except BaseException:\n",
        "half of a file is left behind",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py", "0o666 if there is None else 0o600", "0o600", "a new file is private", FILES
    ),
    Mutant(
        "emulator/spec/files.py",
        "os.chmod(partial, stat.S_IMODE(there.st_mode))",
        "pass",
        "a file loses its mode",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py",
        "target = Path(os.path.realpath(path))",
        "target = path",
        "a link is replaced",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py",
        "        yield buffer\n",
        "        with contextlib.suppress(RuntimeError):\n            yield buffer\n",
        "a pipe gets half of what failed",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py",
        "if error.errno in FULL and error.filename is None:",
        "if False:",
        "a full disk names no file",
        FILES,
    ),
    Mutant(
        "emulator/spec/layer.py",
        "noise = (SIGMA_MAX << 3) * weight_of_slices if layer.sigma_out or layer.var_cell else 0",
        "noise = 0",
        "an analog column's bound leaves its noise out",
        BOUNDS,
    ),
    Mutant(
        "emulator/spec/program.py",
        "layer.inputs <= ROW_MAX,",
        "layer.inputs <= 2 * ROW_MAX,",
        "virtual chips with more rows than their samples have numbers",
        BOUNDS,
    ),
    Mutant(
        "emulator/spec/program.py",
        "curve.size > 0 and ",
        "curve.size == 0 or ",
        "curves may be empty",
        BOUNDS,
    ),
    Mutant(
        "emulator/spec/program.py",
        "check_reads(where, step, len(shapes))",
        "check_reads(where, step, len(shapes) + 1)",
        "a step may read its own result",
        PROGRAM,
    ),
    Mutant(
        "emulator/spec/program.py",
        "first >= 0 and first + count <= PRODUCTS_MAX",
        "first >= 0 and count <= PRODUCTS_MAX",
        "numbers of products beyond the noise key's eight bits",
        PROGRAM,
    ),
    Mutant(
        "emulator/spec/program.py",
        "require(not last or state.source < len(shapes) - 1,",
        "require(True,",
        "a state takes sums",
        PROGRAM,
    ),
    Mutant(
        "emulator/spec/steps.py",
        'patches.groups == 1 or self.block == (1, 1), f"{where}.block"',
        'True, f"{where}.block"',
        "groups with a block",
        PROGRAM,
    ),
    Mutant(
        "emulator/spec/steps.py",
        "int(np.abs(layer.bias.astype(np.int64)).max()) + second",
        "int(np.abs(layer.bias.astype(np.int64)).max())",
        "the second operand may push a sum beyond 32 bits",
        PROGRAM,
    ),
    Mutant(
        "emulator/spec/program_file.py",
        '"states": [dataclasses.asdict(state) for state in program.states],',
        '"states": [dataclasses.asdict(state) for state in program.states[1:]],',
        "a file loses a state",
        PROGRAM,
    ),
    Mutant(
        "emulator/spec/lay_out.py",
        "return -(-columns // geometry.readouts) * geometry.readouts",
        "return columns",
        "columns counted without alignment",
        (*BOUNDS, "tests/emulator/spec/test_memory_map.py"),
    ),
    Mutant(
        "emulator/spec/lay_out.py",
        "return sum(_column_span(step, geometry) for step in lowered(program, geometry).steps)",
        "return sum(layer.outputs for layer in program.layers)",
        "a program fits by its columns without alignment",
        BOUNDS,
    ),
    Mutant(
        "emulator/spec/archive.py",
        " or min(shape, default=1) < 1:",
        ":",
        "arrays may be empty",
        BOUNDS,
    ),
    Mutant(
        "emulator/spec/campaign.py",
        "first, most = self.first_chip, CHIPS_MAX - self.first_chip",
        "first, most = self.first_chip, CHIPS_MAX",
        "a campaign goes past the last chip",
        BOUNDS,
    ),
    Mutant(
        "emulator/spec/schedule.py",
        "max(WATCHDOG_CYCLES_MIN, 8 * inference, 4 * redraw)",
        "max(WATCHDOG_CYCLES_MIN, inference, redraw)",
        "the watchdog barks at the longest work",
        BOUNDS,
    ),
)
