"""program_of: the program that a die computes now, after time has passed or its ECRAMs were moved."""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.errors import CompileError
from emulator.mapping.columns import total_noise
from emulator.mapping.curves import Curves, Index
from emulator.mapping.devices import each_of
from emulator.mapping.die import Die, DieArray, DieTable
from emulator.mapping.functions import placed
from emulator.mapping.scaling import cell_noise, int32
from emulator.spec import Program
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.steps import Product, Step, Table


def program_of(die: Die, program: Program) -> Program:
    """``program`` with the cells and neurons of ``die``; converters, scales and biases stay as calibrated.

    A pure function of both. Neurons with ECRAM each get a curve of their own.

    Parameters
    ----------
    program:
        Mapped onto this die, or onto it at another time or other states.

    Raises
    ------
    CompileError
        When it was mapped onto another die, a curve does not fit the table, or noise leaves its range.
    """
    products = program.products
    shapes = [array.mapped.codes.shape for array in die.arrays]
    if [product.layer.weights.shape for product in products] != shapes:
        raise CompileError(
            f"program {program.name!r} has products of "
            f"{[p.layer.weights.shape for p in products]}; accepted: the die's, {shapes}"
        )
    curves = Curves(program.curve_base.shape[1])
    arrays, functions = iter(die.arrays), iter(die.tables)
    steps: list[Step] = []
    for step in program.steps:
        if isinstance(step, Product):
            array = next(arrays)
            layer = dataclasses.replace(step.layer, weights=array.mapped.codes)
            if layer.var_cell:
                layer = dataclasses.replace(layer, var_cell=cell_noise(die.chip, array.mapped))
            if array.bias is not None:
                layer = dataclasses.replace(
                    layer,
                    bias=int32("bias", array.bias.total),
                    sigma_out=total_noise(array.columns, array.bias, layer.var_cell),
                )
            if step.fires:
                tuned = array.neurons is not None and array.neurons.states is not None
                curve = (
                    _of_neurons(array, layer.table_bits, curves)
                    if tuned
                    else _kept(layer.curve, curves, program)
                )
                layer = dataclasses.replace(layer, curve=curve)
            step = dataclasses.replace(step, layer=layer)
        elif isinstance(step, Table):
            step = _of_functions(step, next(functions, None), curves, program)
        steps.append(step)
    return dataclasses.replace(program, steps=tuple(steps), curve_base=curves.base, curve_slope=curves.slope)


def _of_functions(step: Table, table: DieTable | None, curves: Curves, program: Program) -> Table:
    """A table step with the devices of ``table``; as it is, where no ECRAM sets them."""
    if table is None or table.neurons.states is None:
        return dataclasses.replace(step, curve=_kept(step.curve, curves, program))
    offset, scale, wanted = placed(table.values(), program.curve_base.shape[1])
    return dataclasses.replace(
        step, offset=offset, scale=scale, curve=curves.fit(wanted, step.table_bits, each=True)[0]
    )


def _of_neurons(array: DieArray, table_bits: int, curves: Curves) -> Index:
    """A curve for every neuron."""
    assert array.neurons is not None
    assert array.window is not None
    wanted = INPUT_MAX * np.ascontiguousarray(each_of(array.neurons)(array.window.values()).T)
    return curves.fit(np.clip(wanted, 0.0, INPUT_MAX), table_bits, each=True)[0]


def _kept(curve: Index, curves: Curves, program: Program) -> Index:
    """The program's own curves; their new numbers."""
    used, where = np.unique(curve, return_inverse=True)
    return curves.add(program.curve_base[used], program.curve_slope[used])[where]
