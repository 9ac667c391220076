"""program_of: the program that a die computes now, after time has passed or its ECRAMs were moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from emulator.device.ndr.pwl import fit_pwl
from emulator.errors import CompileError
from emulator.mapping.columns import total_noise
from emulator.mapping.die import Die, DieArray, DieTable
from emulator.mapping.functions import placed
from emulator.mapping.scaling import cell_noise, int32
from emulator.spec import Layer, Program
from emulator.spec.arithmetic import INPUT_MAX, V_BITS
from emulator.spec.steps import Product, Step, Table

Ints = npt.NDArray[np.int32]


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
    tables = _Tables(program)
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
                curve = tables.of_neurons(array, layer) if tuned else tables.kept(layer.curve)
                layer = dataclasses.replace(layer, curve=curve)
            step = dataclasses.replace(step, layer=layer)
        elif isinstance(step, Table):
            step = tables.of_functions(step, next(functions, None))
        steps.append(step)
    return dataclasses.replace(program, steps=tuple(steps), curve_base=tables.base, curve_slope=tables.slope)


class _Tables:
    """Curve tables put together anew, what is kept and what is fitted."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._bases: list[Ints] = []
        self._slopes: list[Ints] = []
        self._count = 0

    @property
    def base(self) -> Ints:
        """All of them, int32 (Q, segments)."""
        return np.concatenate(self._bases) if self._bases else self._program.curve_base

    @property
    def slope(self) -> Ints:
        """All of them, int32 (Q, segments)."""
        return np.concatenate(self._slopes) if self._slopes else self._program.curve_slope

    def kept(self, curve: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """The program's own curves; their new indices."""
        used, where = np.unique(curve, return_inverse=True)
        return self._add(self._program.curve_base[used], self._program.curve_slope[used])[where]

    def of_functions(self, step: Table, table: DieTable | None) -> Table:
        """A table step with the devices of ``table``; as it is, where no ECRAM sets them."""
        if table is None or table.neurons.states is None:
            return dataclasses.replace(step, curve=self.kept(step.curve))
        segments = 1 << (V_BITS - step.segment_bits)
        offset, scale, wanted = placed(table.values(), segments)
        fitted = fit_pwl(wanted, segments=segments, table_bits=step.table_bits)
        curve = self._add(fitted.base, fitted.slope)
        return dataclasses.replace(step, offset=offset, scale=scale, curve=curve)

    def of_neurons(self, array: DieArray, layer: Layer) -> npt.NDArray[np.uint16]:
        """A curve for every neuron; their indices."""
        assert array.neurons is not None
        assert array.window is not None
        u = np.repeat(array.window.values()[:, None], layer.outputs, axis=1)
        wanted = INPUT_MAX * np.ascontiguousarray(array.neurons.curves(u).T)
        segments = 1 << (V_BITS - layer.segment_bits)
        fitted = fit_pwl(np.clip(wanted, 0.0, INPUT_MAX), segments=segments, table_bits=layer.table_bits)
        return self._add(fitted.base, fitted.slope)

    def _add(self, base: Ints, slope: Ints) -> npt.NDArray[np.uint16]:
        first, self._count = self._count, self._count + len(base)
        if self._count > 1 << 16:
            raise CompileError(f"curves are {self._count}; accepted: at most 65536")
        self._bases.append(base)
        self._slopes.append(slope)
        return np.arange(first, self._count).astype(np.uint16)
