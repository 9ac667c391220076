"""The work of every step of a program on its die, counted on samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.golden import Core
from emulator.mapping import Die
from emulator.mapping.die import DieArray
from emulator.spec import Program
from emulator.spec.arithmetic import INPUT_MAX, dac_slice, slices
from emulator.spec.steps import Gate, Pool, Product, Table, join
from host.api import Progress
from ndrite.costs.constants import CostError
from ndrite.costs.work import Device, Work

CODE_BITS = 8
BATCH = 16
Maps = Sequence[npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]


def works(
    program: Program, die: Die, x: npt.NDArray[np.uint8], *, progress: Progress | None = None
) -> list[Work]:
    """Work of each step, mean over samples x uint8 (n, inputs), read noise off; the inputs' own first.

    Raises CostError when there is no sample, or the die is of other arrays than the program.
    """
    _check(program, die, x)
    core, first = Core(program), len(program.states) + 1
    seen = np.zeros((len(program.products), 3))
    products = [(i, step) for i, step in enumerate(program.steps) if isinstance(step, Product)]
    for start in range(0, len(x), BATCH):
        part = x[start : start + BATCH]
        for maps in core.calls(part, noise=False):
            for row, array, (i, product) in zip(seen, die.arrays, products, strict=True):
                row += _see(product, array, die.chip, maps, maps[first + i])
        if progress is not None:
            progress(min(start + BATCH, len(x)), len(x))
    digital = digital_maps(program)
    found = [
        Work(
            name="inputs",
            moved_bits=CODE_BITS * program.inputs,
            held_bits=CODE_BITS * math.prod(program.shape),
        )
    ]
    pairs = zip(seen / len(x), die.arrays, strict=True)
    for i, step in enumerate(program.steps):
        if isinstance(step, Product):
            mean, array = next(pairs)
            found.append(_product(program, i, step, array, die.chip, mean, digital))
        else:
            found.append(_step(program, i, step))
    return found


def digital_maps(program: Program) -> set[int]:
    """Numbers of the maps that must be there as codes.

    A map stays analog where a product with analog readout makes it and only full layers with analog readout
    read it.
    """
    first = len(program.states) + 1
    found = set(range(first)) | {state.source for state in program.states} | {len(program.map_shapes) - 1}
    for i, step in enumerate(program.steps):
        analog = isinstance(step, Product) and step.layer.readout == "analog"
        if not analog:
            found.add(first + i)
        if not (analog and isinstance(step, Product) and step.is_full):
            found |= set(step.reads)
    return found


def _check(program: Program, die: Die, x: npt.NDArray[np.uint8]) -> None:
    if not len(x):
        raise CostError("there are 0 samples; accepted: at least one to count the work of")
    shapes = [layer.weights.shape for layer in program.layers]
    held = [array.mapped.codes.shape for array in die.arrays]
    if shapes != held:
        raise CostError(f"the die has arrays of {held} weights; accepted: the program's, {shapes}")


def _see(step: Product, array: DieArray, chip: Chip, maps: Maps, result: npt.NDArray[Any]) -> Floats:
    """Of one call, summed over samples: uS V^2 of all cells, row codes that are not 0, mean output 0..1."""
    layer, groups = step.layer, step.patches.groups
    rows = step.patches.cut(join([maps[s] for s in step.sources]), step.border)
    rows = rows.reshape(-1, groups, layer.inputs)
    # A group's columns conduct while its inputs are on the rows.
    pair_uS = array.mapped.cells.effective.sum(axis=0)
    row_uS = pair_uS.reshape(layer.inputs, groups, -1).sum(axis=2).T
    lsb_V = chip.input.read_voltage_V / ((1 << layer.dac_bits) - 1)
    power, nonzero = 0.0, 0
    for j in range(slices(layer.dac_bits)):
        code = dac_slice(rows, j, layer.dac_bits)
        power += float((np.square(code.astype(np.float64)).sum(axis=0) * row_uS).sum()) * lsb_V**2
        nonzero += int(np.count_nonzero(code))
    if array.bias is not None:  # rows whose input is always full
        held_uS = float(array.bias.mapped.cells.effective.sum())
        power += held_uS * chip.input.read_voltage_V**2 * len(rows)
    level = float(result.mean(axis=(1, 2, 3)).sum()) / INPUT_MAX if step.fires else 0.0
    return np.array([power, nonzero, level])


def _product(
    program: Program, i: int, step: Product, array: DieArray, chip: Chip, mean: Floats, digital: set[int]
) -> Work:
    layer, patches = step.layer, step.patches
    k, m, groups = layer.inputs, layer.outputs, patches.groups
    adc = layer.readout == "adc"
    result = len(program.states) + 1 + i
    leaves = not adc and result in digital
    calls, positions = program.calls, program.calls * patches.positions
    width = chip.array.weights_across
    held_rows = k + (0 if array.bias is None else len(array.bias.mapped.codes))
    tiles, blocks = chip.array.tiles(held_rows, m)
    arrays = tiles * blocks * chip.array.arrays_a_tile
    steps = slices(layer.dac_bits)
    reads = positions * steps * groups
    outputs = positions * m
    sums = outputs * steps * layer.tiles(program.rows)
    from_codes = any(s in digital for s in step.sources)
    to_codes = result in digital
    activates = step.fires and array.neurons is None
    # Digital units are shared by the columns of an array, one column a cycle.
    serial = positions * min(m, width)
    device = None
    if array.neurons is not None:
        peak_mA = 1e3 * chip.neuron.device.peak[1]
        device = Device(peak_mA=peak_mA, level=float(mean[2]) / calls)
    return Work(
        name=f"step {i}: {k} - {m}" + (f", {patches.positions} positions" if not patches.is_whole else ""),
        macs=positions * k * m,
        reads=reads,
        drives=float(mean[1]) * math.ceil(m / groups / width) if from_codes else 0.0,
        dac_bits=layer.dac_bits,
        analog_drives=0.0 if from_codes else float(positions * k * blocks),
        gated_cells=2.0 * positions * steps * held_rows * m,
        array_uS_V2=float(mean[0]),
        conversions=sums if adc else outputs if leaves else 0,
        converts_serially=reads if adc else positions if leaves else 0,
        adc_bits=layer.adc_bits if adc else CODE_BITS,
        shift_adds=(sums if adc else 0) + (outputs if adc else 0) + (outputs if step.skip is not None else 0),
        multiplies=(outputs if adc else 0) + (outputs if step.skip is not None else 0),
        tables=outputs if activates else 0,
        fires=outputs if device is not None else 0,
        fires_serially=positions if device is not None else 0,
        device=device,
        buffered=not adc,
        cycles=serial if adc or activates or step.skip is not None else 0,
        moved_bits=CODE_BITS * (positions * k * groups * from_codes + outputs * to_codes),
        arrays=arrays,
        cells=arrays * chip.array.rows * chip.array.columns,
        drivers=tiles * blocks * chip.array.rows if from_codes else 0,
        analog_drivers=0 if from_codes else k * blocks,
        converters=tiles * blocks * width if adc else m if leaves else 0,
        adders=tiles * blocks * width if adc else 0,
        multipliers=blocks if adc or step.skip is not None else 0,
        table_units=blocks if activates else 0,
        neurons=m if device is not None else 0,
        held_bits=CODE_BITS * math.prod(program.map_shapes[result]) if to_codes else 0,
    )


def _step(program: Program, i: int, step: Pool | Table | Gate) -> Work:
    """Digital steps: one unit a channel, all channels of a position together."""
    channels, height, width = program.map_shapes[len(program.states) + 1 + i]
    calls, positions = program.calls, height * width
    values = calls * channels * positions
    held = CODE_BITS * channels * positions
    name = f"step {i}: {step.kind}"
    if isinstance(step, Pool):
        window = math.prod(step.patches.kernel)
        average = step.of == "average"
        return Work(
            name=f"{name}, {step.of}",
            compares=0 if average else values * (window - 1),
            shift_adds=values * window if average else 0,
            multiplies=values if average else 0,
            cycles=calls * positions * window,
            moved_bits=CODE_BITS * values * (window + 1),
            comparators=0 if average else channels,
            adders=channels if average else 0,
            multipliers=channels if average else 0,
            held_bits=held,
        )
    if isinstance(step, Table):
        return Work(
            name=name,
            shift_adds=values,
            multiplies=values,
            tables=values,
            cycles=calls * positions,
            moved_bits=2 * CODE_BITS * values,
            adders=channels,
            multipliers=channels,
            table_units=channels,
            held_bits=held,
        )
    products = sum(1 if term.b is None else 2 for term in step.terms)
    return Work(
        name=name,
        shift_adds=values * len(step.terms),
        multiplies=values * products,
        cycles=calls * positions * products,
        moved_bits=CODE_BITS * values * (len(step.reads) + 1),
        adders=channels,
        multipliers=channels,
        held_bits=held,
    )
