"""map_network: maps a float network onto a chip description; returns a program, a
die and a report.

Units of an analog layer may be computed in any order. A row of the next array takes the
unit of the column that it is wired to, so ``in_order`` chooses the order of units that
loses least there (``ndrite.emulator.mapping.cells``).
"""

import dataclasses
import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.errors import CompileError, CompileWarning, require
from ndrite.emulator.mapping.cells import nearest, pair_targets, places, stuck_cells
from ndrite.emulator.mapping.curves import Curves, Index, placed
from ndrite.emulator.mapping.devices import each_of
from ndrite.emulator.mapping.die import Die, DieArray, die_digest
from ndrite.emulator.mapping.nodes import Mapper, layer_generators
from ndrite.emulator.mapping.ranges import cell_noise, int32
from ndrite.emulator.mapping.report import CompileReport, MapOptions, Mitigation, unused_parts
from ndrite.emulator.mapping.weights import column_limits, total_noise, variation_of
from ndrite.emulator.network import Dense, Ndr, Network
from ndrite.emulator.spec import Layer, Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes, Floats
from ndrite.emulator.spec.evaluate import PerKind
from ndrite.emulator.spec.steps import Gate, Pool, Product, Table


def program_of(die: Die, program: Program) -> Program:
    """Return ``program`` with the present cells and neurons of ``die``. Converters,
    scales and biases stay as calibrated.

    A pure function of both. Neurons with ECRAM each get a curve of their own.
    ``program``: mapped onto this die, or onto it at another time or other states.
    Raises CompileError when it was mapped onto another die, a curve does not fit the
    table, or noise leaves its range.
    """
    products = program.products
    shapes = [array.mapped.codes.shape for array in die.arrays]
    if [product.layer.weights.shape for product in products] != shapes:
        raise CompileError(
            f"program {program.name!r} has weight matrices of shapes "
            f"{[p.layer.weights.shape for p in products]}; accepted: those of the die, {shapes}"
        )
    now = _Now(die, program)
    steps = tuple(step.visit(now, step) for step in program.steps)
    base, slope = now.curves.base, now.curves.slope
    # The spread between virtual chips depends on the time since programming: take the die's.
    variation = program.variation and variation_of(die.chip)
    return dataclasses.replace(program, steps=steps, curve_base=base, curve_slope=slope, variation=variation)


class _Now(PerKind):
    """Visitor that returns each program step with the die's present cells,
    biases and curves."""

    def __init__(self, die: Die, program: Program) -> None:
        self._chip, self._program, self.curves = die.chip, program, Curves()
        self._arrays, self._tables = iter(die.arrays), iter(die.tables)

    def product(self, step: Product) -> Product:
        """Return the matrix product with the weights of the die's array, the biases
        that its cells hold, and a curve for every neuron that an ECRAM tunes."""
        array = next(self._arrays)
        layer = dataclasses.replace(step.layer, weights=array.mapped.codes)
        if layer.var_cell:
            layer = dataclasses.replace(layer, var_cell=cell_noise(self._chip, array.mapped))
        if array.bias is not None:
            sigma_out = total_noise(array.columns, array.bias, layer.var_cell)
            layer = dataclasses.replace(layer, bias=int32("bias", array.bias.total), sigma_out=sigma_out)
        if step.fires:
            layer = dataclasses.replace(layer, curve=self._of_neurons(layer, array))
        return dataclasses.replace(step, layer=layer)

    def _of_neurons(self, layer: Layer, array: DieArray) -> Index:
        neurons, window = array.neurons, array.window
        if neurons is None or neurons.states is None or window is None:
            return self._kept(layer.curve)
        curve_codes = INPUT_MAX * np.ascontiguousarray(each_of(neurons)(window.values()).T)
        return self.curves.fit(np.clip(curve_codes, 0.0, INPUT_MAX), each=True)[0]

    def pool(self, step: Pool) -> Pool:
        """Return the pooling step unchanged: it uses no cell and no device."""
        return step

    def gate(self, step: Gate) -> Gate:
        """Return the gate step unchanged: it uses no cell and no device."""
        return step

    def table(self, step: Table) -> Table:
        """Return the lookup-table step with the curves of the die's devices, or with
        its own curves if no ECRAM tunes its devices."""
        table = next(self._tables, None)
        if table is None or table.neurons.states is None:
            return dataclasses.replace(step, curve=self._kept(step.curve))
        offset, scale, exact_codes = placed(table.values())
        curve = self.curves.fit(exact_codes, each=True)[0]
        return dataclasses.replace(step, offset=offset, scale=scale, curve=curve)

    def _kept(self, curve: Index) -> Index:
        """Copy curves of the old program to the new tables; return their new numbers."""
        used, where = np.unique(curve, return_inverse=True)
        return self.curves.add(self._program.curve_base[used], self._program.curve_slope[used])[where]


SAMPLES_MIN = 16
USUAL = MapOptions()


class Mapped(NamedTuple):
    """A mapped network: its program, its die, and the report on the errors of mapping."""

    program: Program
    die: Die
    report: CompileReport


def map_network(
    network: Network,
    chip: Chip | str | os.PathLike[str],
    samples: Codes,
    *,
    seed: int = 0,
    name: str | None = None,
    options: MapOptions = USUAL,
    exact: Floats | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Mapped:
    """Map a network onto a chip, program the cells, and calibrate on samples.

    Raises CompileError when samples do not fit, or a quantity leaves the
    arithmetic's range. Raises ChipError, PhysicsError or ProgramError when the chip
    description is invalid, a conductance leaves a model's fitted range, or the
    result breaks a rule of programs.

    Parameters
    ----------
    network:
        Float network; inputs in [0, 1] are applied as codes 0..255.
    chip:
        A chip, a preset's name, the path of a YAML file, or several of these joined with ``+``.
    samples:
        Typical inputs, uint8 (n, inputs), n >= 16, for ADC ranges and bias correction.
        Not the test set.
    seed:
        Chooses the individual chip: the programming error of every cell, 0..2^63-1.
    name:
        The program's name; the network's by default.
    options:
        How it is put there.
    exact:
        What the float network is given, (n, inputs) in [0, 1], where ``samples`` are
        what a die makes of it: biases then absorb the mean deviation of what comes
        before too. None: the samples.
    progress:
        Called as ``progress(done, total)`` after every node.
    """
    chip = chip if isinstance(chip, Chip) else load_chip(chip)
    if samples.ndim != 2 or samples.shape[1] != network.inputs or samples.dtype != np.uint8:
        raise CompileError(
            f"samples are {samples.dtype} {samples.shape}; accepted: uint8 (n, {network.inputs})"
        )
    if len(samples) < SAMPLES_MIN:
        raise CompileError(f"number of samples is {len(samples)}; accepted: at least {SAMPLES_MIN}")
    require(0 <= seed < 1 << 63, "seed", seed, "0..2^63-1", CompileError)
    early = chip.conditions.corrected_at_s
    if early is not None and early != chip.conditions.time_since_programming_s:
        conditions = dataclasses.replace(chip.conditions, time_since_programming_s=early, corrected_at_s=None)
        then = dataclasses.replace(chip, conditions=conditions)
        corrected = map_network(
            network, then, samples, seed=seed, name=name, options=options, exact=exact, progress=progress
        )
        return _later(corrected, chip)
    mapper = Mapper(network, chip, samples, seed, options, exact)
    for i, node in enumerate(network.nodes):
        mapper.take(node)
        if progress is not None:
            progress(i + 1, len(network.nodes))
    report = CompileReport(
        network=network.name,
        chip=chip.name,
        seed=seed,
        samples=len(samples),
        layers=tuple(mapper.reports),
        tables=tuple(mapper.tables),
        unused=unused_parts(network.activation_kinds, chip),
    )
    die = Die(
        chip=chip,
        seed=seed,
        network=network.digest(),
        arrays=tuple(mapper.arrays),
        nominal=options.nominal,
        mitigation=options.mitigation,
        tables=tuple(mapper.functions) if any(mapper.functions) else (),
    )
    # A program states one step (value of one unit) for all outputs; None says that
    # every output column has its own.
    step = None if options.column_steps else float(die.arrays[-1].step[0]) if die.arrays else None
    program = dataclasses.replace(
        mapper.program(),
        name=name or network.name,
        provenance={
            **_provenance(network, chip, report, options.mitigation),
            "die": die_digest(die),
        },
        meaning=dataclasses.replace(
            network.meaning, output_step=step if network.gives_sums else 1 / INPUT_MAX
        ),
        variation=variation_of(chip) if options.nominal else None,
    )
    for line in report.warnings:
        warnings.warn(f"{report.network} on {report.chip}: {line}", CompileWarning, stacklevel=2)
    return Mapped(program, die, report)


def _later(corrected: Mapped, chip: Chip) -> Mapped:
    """Return the mapped network as it is at ``chip``'s time, with the ranges, gains and
    biases that were calibrated earlier (``corrected``)."""
    die = corrected.die.at(chip.conditions.time_since_programming_s)
    program = program_of(die, corrected.program)
    provenance_now = program.provenance | {"chip": chip.as_dict(), "die": die_digest(die)}
    return corrected._replace(program=dataclasses.replace(program, provenance=provenance_now), die=die)


def _provenance(network: Network, chip: Chip, report: CompileReport, measures: Mitigation) -> dict[str, Any]:
    return {
        "chip": chip.as_dict(),
        "network": {"name": network.name, "shape": network.widths, **network.provenance},
        "report": report.as_dict(),
        "seed": report.seed,
        "mitigation": dataclasses.asdict(measures),
        "versions": {"numpy": np.__version__},
    }


def in_order(network: Network, chip: Chip, samples: Codes, seed: int) -> Network:
    """Reorder the neurons of those analog layers that are wired to the next layer, so
    that stuck cells of chip number ``seed`` do the least harm. The network still
    computes the same function.

    Wired are full analog layers that only the next full layer reads. ``samples``
    uint8 (n, inputs).
    """
    nodes, first = list(network.nodes), network.first
    products = list(network.products)
    positions = [nodes.index(product) for product in products]
    maps = network.maps(samples / np.float32(INPUT_MAX))
    for number in range(len(products) - 1, 0, -1):
        i, j = positions[number - 1], positions[number]
        before, after = products[number - 1], products[number]
        read = [k for k, node in enumerate(nodes) if first + i in node.reads]
        is_chain = before.is_full and after.patches.is_whole and after.sources == (first + i,)
        devices = before.dense.activation
        if chip.readout.kind != "analog" or not is_chain or read != [j] or not isinstance(devices, Ndr):
            continue
        weights = after.dense.weights.astype(np.float64)
        top = chip.cell.levels - 1
        levels = nearest(weights / column_limits(weights, chip.cell.levels, uniform=True) * top, top)
        target = pair_targets(levels, chip.cell)
        stuck = stuck_cells(target.shape, chip, layer_generators(seed, number)[0])
        outputs = maps[first + i].reshape(len(samples), -1).astype(np.float64)
        order = np.argsort(places(target, stuck, chip, np.sqrt(np.square(outputs).mean(axis=0))))
        columns = Dense(before.dense.weights[:, order], before.dense.bias[order], devices.of(order))
        nodes[i] = products[number - 1] = dataclasses.replace(before, dense=columns)
        rows = dataclasses.replace(after.dense, weights=after.dense.weights[order])
        nodes[j] = dataclasses.replace(after, dense=rows)
    return dataclasses.replace(network, nodes=tuple(nodes))
