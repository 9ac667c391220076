"""IBM's CMO/HfOx cells: error of matrix-vector products against NeuRRAM's HfOx cells."""

import numpy as np

from ndrite.emulator.device.description import Cell, Chip
from ndrite.emulator.device.rram.drift import DAY, age
from ndrite.emulator.device.rram.programming import cmo_read_sigma
from ndrite.emulator.golden import Core
from ndrite.emulator.network import Dense, Network
from studies import dies, table
from studies.published import Found, over_seeds
from studies.runs import Floats, Row, Runs

SIZE, VECTORS = 64, 100
TIMES = {"1 s": (1.0, 1.0), "10 years": (10 * 365 * DAY, 2 * DAY)}
"""Times after programming, in seconds: of the CMO/HfOx cells and of the other cells."""
WAYS = {"single": "single cells, no converters", "die": "pairs on a die, 8-bit converters"}
CMO, OTHER = "ibm-cmo-hfox-0.2", "wan2022"


def run(seed: int) -> Row:
    """Return the rms errors of one matrix product, by type of cell, time after
    programming and method."""
    rng = np.random.default_rng(seed)
    weights, x = rng.uniform(-1, 1, (SIZE, SIZE)), rng.uniform(-1, 1, (VECTORS, SIZE))
    result: dict[str, float] = {}
    for when, times in TIMES.items():
        for name, time_s in zip((CMO, OTHER), times, strict=True):
            cell = described(name, time_s).cell
            result[f"{name}, {when}, single"] = _rms(x @ single(cell, weights, time_s, seed) - x @ weights)
            result[f"{name}, {when}, die"] = _rms(on_die(name, weights, x, time_s, seed) - x @ weights)
    return result


def described(name: str, time_s: float) -> Chip:
    """Return the chip description of a preset at ``time_s`` after programming, with 256
    levels, ideal wires and the published relaxation of the cells."""
    fields = {"cell__drift": OTHER} if name == OTHER else {}
    return dies.changed(
        name,
        cell__levels=256,
        conditions__time_since_programming_s=time_s,
        array__wire_resistance_ohm=0.0,
        **fields,
    )


def single(cell: Cell, weights: Floats, time_s: float, seed: int) -> Floats:
    """Return the weights (-1..1) that single cells store after being programmed with
    ``weights``, aged and read once."""
    rng = np.random.default_rng((1, seed))
    span = cell.g_max_uS - cell.g_min_uS
    target = cell.g_min_uS + (weights + 1) / 2 * span
    programmed = cell.error_model.programmed(target, rng.standard_normal(target.shape))
    aged = age(programmed, target, cell.drift_model, time_s, rng.standard_normal(target.shape))
    read = aged + read_deviation(cell, aged, time_s) * rng.standard_normal(target.shape)
    return np.asarray(2 * (read - cell.g_min_uS) / span - 1)


def read_deviation(cell: Cell, g_uS: Floats, time_s: float) -> Floats:
    """Return the standard deviation of the read noise of single cells, microsiemens."""
    if cell.read_noise_model == "ibm-cmo-hfox":
        return cmo_read_sigma(g_uS, time_s)
    # The read noise in the cell's description is that of a differential pair of cells;
    # a single cell has 1 / sqrt(2) of it.
    return np.full_like(g_uS, cell.read_noise_percent / 100 * cell.g_max_uS / np.sqrt(2))


def on_die(name: str, weights: Floats, x: Floats, time_s: float, seed: int) -> Floats:
    """Return the product ``x @ weights`` as a die of the golden model computes it."""
    # Input codes are u = (x + 1) / 2. In x = 2 u - 1, the factor 2 goes into the
    # weights and the constant into the bias.
    dense = Dense((2 * weights).astype(np.float32), (-weights.sum(axis=0)).astype(np.float32))
    net = Network.chain((dense,), "mvm")
    codes = np.rint((x + 1) / 2 * 255).astype(np.uint8)
    rng = np.random.default_rng((2, seed))
    typical = rng.integers(0, 256, (512, SIZE), dtype=np.uint8)
    mapped = dies.make(net, described(name, time_s), seed, typical, column_steps=True)
    return np.asarray(Core(mapped.program).infer(codes, seed=seed) * mapped.die.arrays[0].step)


def _rms(error: Floats) -> float:
    return float(np.sqrt(np.square(error).mean()))


def factors(of: Runs, when: str, way: str) -> Floats:
    """Return, for each run's matrix, the error with the other type of cells divided by
    the error with CMO/HfOx cells."""
    return np.array([r[f"{OTHER}, {when}, {way}"] / r[f"{CMO}, {when}, {way}"] for r in of])


def found(of: Runs) -> dict[str, Found]:
    """Return the mean ratio of the errors with single cells (other cells to CMO/HfOx),
    by time after programming."""
    return {when: over_seeds(factors(of, when, "single")) for when in TIMES}


def tables(of: Runs) -> list[table.Table]:
    """Return a table of errors by method and time; its title states the standard
    deviation of the exact outputs, for comparison."""
    groups = {(words, when): (method, when) for method, words in WAYS.items() for when in TIMES}
    columns = {
        f"{n}, RMS error": lambda g, n=n: table.over_seeds([r[f"{n}, {g[1]}, {g[0]}"] for r in of], 3)
        for n in (CMO, OTHER)
    }
    title = f"errors of outputs, whose own deviation is {np.sqrt(SIZE) / 3:.2f}"
    factor = {"factor": lambda g: table.over_seeds(factors(of, g[1], g[0]))}
    return [table.table(title, ("way", "after"), groups, columns | factor)]
