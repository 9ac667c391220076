"""program_of: the program that a die computes now, after time has passed or its ECRAMs were moved."""

import dataclasses

import numpy as np

from ndrite.emulator.errors import CompileError
from ndrite.emulator.mapping.columns import total_noise
from ndrite.emulator.mapping.curves import Curves, Index
from ndrite.emulator.mapping.devices import each_of
from ndrite.emulator.mapping.die import Die, DieArray
from ndrite.emulator.mapping.functions import placed
from ndrite.emulator.mapping.scaling import cell_noise, int32
from ndrite.emulator.mapping.variation import variation_of
from ndrite.emulator.spec import Layer, Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.steps import Product, Step, Table


def program_of(die: Die, program: Program) -> Program:
    """``program`` with the cells and neurons of ``die``; converters, scales and biases stay as calibrated.

    A pure function of both. Neurons with ECRAM each get a curve of their own. ``program``: mapped onto this
    die, or onto it at another time or other states. Raises CompileError when it was mapped onto another die,
    a curve does not fit the table, or noise leaves its range.
    """
    products = program.products
    shapes = [array.mapped.codes.shape for array in die.arrays]
    if [product.layer.weights.shape for product in products] != shapes:
        raise CompileError(
            f"program {program.name!r} has products of "
            f"{[p.layer.weights.shape for p in products]}; accepted: the die's, {shapes}"
        )
    now = _Now(die, program)
    steps = tuple(getattr(now, step.kind, _same)(step) for step in program.steps)
    base, slope = now.curves.base, now.curves.slope
    variation = program.variation and variation_of(die.chip)  # virtual chips are as old
    return dataclasses.replace(program, steps=steps, curve_base=base, curve_slope=slope, variation=variation)


def _same(step: Step) -> Step:
    return step


class _Now:
    """The steps as they are now, one after the other: a method for each kind that cells or devices are of."""

    def __init__(self, die: Die, program: Program) -> None:
        self._chip, self._program, self.curves = die.chip, program, Curves()
        self._arrays, self._tables = iter(die.arrays), iter(die.tables)

    def product(self, step: Product) -> Product:
        """With the array's cells, its biases where cells hold them, and a curve for every tuned neuron."""
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

    def table(self, step: Table) -> Table:
        """With its devices; as it is, where no ECRAM sets them."""
        table = next(self._tables, None)
        if table is None or table.neurons.states is None:
            return dataclasses.replace(step, curve=self._kept(step.curve))
        offset, scale, exact_codes = placed(table.values())
        curve = self.curves.fit(exact_codes, each=True)[0]
        return dataclasses.replace(step, offset=offset, scale=scale, curve=curve)

    def _kept(self, curve: Index) -> Index:
        """The program's own curves; their new numbers."""
        used, where = np.unique(curve, return_inverse=True)
        return self.curves.add(self._program.curve_base[used], self._program.curve_slope[used])[where]
