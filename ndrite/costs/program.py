"""The work of every step of a program on its die, counted while samples run."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ndrite.costs.parts import CODE_BITS, Use, Work
from ndrite.emulator.device.description import Chip
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import Die
from ndrite.emulator.mapping.block import as_designed
from ndrite.emulator.mapping.die import DieArray
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes, Floats, dac_slice, slices
from ndrite.emulator.spec.steps import Gate, Pool, Product, Table
from ndrite.host.api import Progress

BATCH = 16
Maps = Sequence[npt.NDArray[np.integer]]


def works(
    program: Program, die: Die, x: Codes, network: Network | None = None, *, progress: Progress | None = None
) -> list[Work]:
    """Count the work of each program step, as a mean over samples x uint8 (n, inputs),
    n at least 1, without read noise. The first entry is the loading of the inputs.

    MACs are counted on the ``network`` from which the program was compiled, since empty
    cells of a board's blocks have no MACs.
    """
    core, first = Core(program), program.first
    row_counts = np.zeros((len(program.products), 3))
    products = [(i, step) for i, step in enumerate(program.steps) if isinstance(step, Product)]
    for start in range(0, len(x), BATCH):
        part = x[start : start + BATCH]
        for left, maps in zip(range(program.calls, 0, -1), core.calls(part, noise=False), strict=True):
            for row, array, (i, product) in zip(row_counts, die.arrays, products, strict=True):
                if left <= done(program, i):
                    row += _see(product, array, die.chip, maps, maps[first + i])
        if progress is not None:
            progress(min(start + BATCH, len(x)), len(x))
    digital = digital_maps(program)
    all_work = [Work("inputs", uses=_moved(CODE_BITS * program.inputs, CODE_BITS * math.prod(program.shape)))]
    pairs = zip(row_counts / len(x), die.arrays, as_designed(program, network), strict=True)
    for i, step in enumerate(program.steps):
        if isinstance(step, Product):
            mean, array, (cut, outputs) = next(pairs)
            work = _product(program, i, array, die.chip, mean, digital)
            all_work.append(replace(work, macs=done(program, i) * cut.positions * cut.inputs * outputs))
        else:
            all_work.append(_step(program, i, step))
    return all_work


def done(program: Program, i: int) -> int:
    """Return in how many time steps program step ``i`` is computed. A step that nothing
    but the outputs needs is computed only in the last time step."""
    outputs = i == len(program.steps) - 1 and program.first + i not in [s.source for s in program.states]
    return 1 if outputs else program.calls


def digital_maps(program: Program) -> set[int]:
    """Return the numbers of the maps whose codes must be available in digital form.

    A map stays analog where a product with analog readout makes it and only full layers
    with analog readout read it.
    """
    first = program.first
    digital = set(range(first)) | program.asked
    for i, step in enumerate(program.steps):
        analog = isinstance(step, Product) and step.layer.readout == "analog"
        if not analog:
            digital.add(first + i)
        if not (analog and isinstance(step, Product) and step.is_full):
            digital |= set(step.reads)
    return digital


def _see(step: Product, array: DieArray, chip: Chip, maps: Maps, result: npt.NDArray[np.integer]) -> Floats:
    """Measure one time step of a matrix product, summed over samples: the power in all
    cells (uS V^2), the number of row codes that are not 0, and the mean output 0..1."""
    layer, groups = step.layer, step.patches.groups
    rows = step.patches.cut(step.source(maps), step.border)
    rows = rows.reshape(-1, groups, layer.inputs)
    # The columns of a group conduct only while the inputs of that group are on the rows.
    pair_uS = array.mapped.cells.effective.sum(axis=0)
    row_uS = pair_uS.reshape(layer.inputs, groups, -1).sum(axis=2).T
    lsb_V = chip.input.read_voltage_V / ((1 << layer.dac_bits) - 1)
    power, nonzero = 0.0, 0
    for j in range(slices(layer.dac_bits)):
        code = dac_slice(rows, j, layer.dac_bits)
        power += float((np.square(code.astype(np.float64)).sum(axis=0) * row_uS).sum()) * lsb_V**2
        nonzero += int(np.count_nonzero(code))
    if array.bias is not None:  # the input of bias rows is always the full voltage
        held_uS = float(array.bias.mapped.cells.effective.sum())
        power += held_uS * chip.input.read_voltage_V**2 * len(rows)
    level = float(result.mean(axis=(1, 2, 3)).sum()) / INPUT_MAX if step.fires else 0.0
    return np.array([power, nonzero, level])


def _moved(bits: float, held: float, arrays: int = 0) -> tuple[Use, ...]:
    """Count ``bits`` read from and written to the memory of maps (which stores ``held``
    bits), and the same number of bits on the wires to ``arrays`` arrays."""
    return Use("memory bit", bits, there=held), Use("bus bit", bits, there=arrays)


def _product(program: Program, i: int, array: DieArray, chip: Chip, mean: Floats, digital: set[int]) -> Work:
    step = program.steps[i]
    assert isinstance(step, Product)
    layer, patches = step.layer, step.patches
    k, m, groups = layer.inputs, layer.outputs, patches.groups
    adc, skip = layer.readout == "adc", step.skip is not None
    result = program.first + i
    from_codes, to_codes = any(s in digital for s in step.sources), result in digital
    calls = done(program, i)
    positions = calls * patches.positions
    width = chip.array.weights_across
    bias_rows = 0 if array.bias is None else len(array.bias.mapped.codes)
    held_rows, (tiles, blocks) = k + bias_rows, chip.array.tiles(k, m)
    # The cells for biases are a separate crossbar on the same column lines, as in the
    # compiler and in the SPICE deck.
    tiles += chip.array.tiles(bias_rows, m)[0]
    arrays, steps = tiles * blocks * chip.array.arrays_a_tile, slices(layer.dac_bits)
    reads, outputs = positions * steps * groups, positions * m
    sums = outputs * steps * layer.tiles(program.rows)
    uses = [
        Use("cell", float(mean[0]), reads, arrays * chip.array.rows * chip.array.columns),
        Use("word line", 2.0 * positions * steps * held_rows * m),
    ]
    if from_codes:
        drives = float(mean[1]) * math.ceil(m / groups / width)
        uses.append(Use("row DAC", drives, there=tiles * blocks * chip.array.rows, of=(layer.dac_bits,)))
    else:
        uses.append(Use("row buffer", positions * k * blocks, there=k * blocks))
    if adc:
        converters = tiles * blocks * width
        uses += [
            Use("converter", sums, reads, converters, (layer.adc_bits,)),
            Use("shift-add", sums + outputs, there=converters),
            Use("multiply", outputs, there=blocks),
        ]
    elif to_codes:
        uses.append(Use("converter", outputs, positions, m, (CODE_BITS,)))
    if skip:
        uses += [Use("shift-add", outputs), Use("multiply", outputs, there=0 if adc else blocks)]
    activates = step.fires and array.neurons is None
    if activates:
        uses.append(Use("table", outputs, there=blocks))
    if adc or activates or skip:
        # The columns of an array share its digital units, one column per cycle.
        uses.append(Use("cycle", serially=positions * min(m, width)))
    if array.neurons is not None:
        read_at = (1e3 * chip.neuron.device.peak[1], float(mean[2]) / calls)
        around = "device's converters" if adc else "device's buffers"
        uses += [Use("device", outputs, positions, m, read_at), Use(around, outputs, positions, m)]
    buffer_bits = CODE_BITS * math.prod(program.map_shapes[result]) if to_codes else 0
    uses += _moved(
        CODE_BITS * (positions * k * groups * from_codes + outputs * to_codes), buffer_bits, arrays
    )
    name = f"step {i}: {k} - {m}" + (f", {patches.positions} positions" if not patches.is_whole else "")
    return Work(name, uses=tuple(uses))


def _step(program: Program, i: int, step: Pool | Table | Gate) -> Work:
    """Count the work of a digital step, which has one unit per channel: all channels of
    a position are computed together."""
    calls, (channels, height, width) = done(program, i), program.map_shapes[program.first + i]
    values, name = calls * channels * height * width, f"step {i}: {step.kind}"
    if isinstance(step, Pool):
        name, window = f"{name}, {step.of}", math.prod(step.patches.kernel)
        units = {"compare": window - 1} if step.of == "max" else {"shift-add": window, "multiply": 1}
        cycles = moved = window
    elif isinstance(step, Table):
        units, cycles, moved = dict.fromkeys(("shift-add", "multiply", "table"), 1), 1, 1
    else:
        cycles, moved = sum(1 if term.b is None else 2 for term in step.terms), len(step.reads)
        units = {"shift-add": len(step.terms), "multiply": cycles}
    uses = [Use(unit, values * per_value, there=channels) for unit, per_value in units.items()]
    uses.append(Use("cycle", serially=calls * height * width * cycles))
    buffer_bits = CODE_BITS * channels * height * width
    return Work(name, uses=(*uses, *_moved(CODE_BITS * values * (moved + 1), buffer_bits)))
