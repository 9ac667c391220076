"""Die: one individual chip, with everything that was drawn for it.

Nothing that is asked of a die draws again: its cells, converters and neurons are what they are, and what time
or tuning makes of them is another die.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.window import Window
from ndrite.emulator.errors import ChipError, CompileError, require
from ndrite.emulator.mapping.columns import BiasCells, Columns
from ndrite.emulator.mapping.devices import Neurons, ndr_neurons
from ndrite.emulator.mapping.mitigation import Mitigation
from ndrite.emulator.mapping.ranges import AdcRange
from ndrite.emulator.mapping.states import States, kept
from ndrite.emulator.mapping.variation import without_errors
from ndrite.emulator.mapping.weights import MappedWeights, code_max, conductance_codes
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.arrays import Floats
from ndrite.emulator.spec.brief import record, titled


@record()
class DieArray:
    """One product's crossbar, converters and neurons.

    ``mapped``: its cells and what they mean; ``step`` float64 (M,): pre-activation of one unit of p;
    ``designed`` and ``built``: the converters before and after mismatch, not yet trimmed; ``neurons`` and
    ``window``: NDR neurons, None where the activation is an exact table or there is none; ``skip_gain`` and
    ``skip_shift``: of a second operand; ``columns`` and ``bias``: of analog readout.
    """

    mapped: MappedWeights
    step: Floats
    designed: AdcRange
    built: AdcRange
    neurons: Neurons | None = None
    window: Window | None = None
    skip_gain: npt.NDArray[np.uint16] | None = None
    skip_shift: int = 0
    columns: Columns | None = None
    bias: BiasCells | None = None


@record()
class DieTable:
    """The NDR devices of one table step, and the gain and shift float64 (E,) that its row drivers apply."""

    neurons: Neurons
    gain: Floats
    shift: Floats

    def values(self) -> Floats:
        """Outputs in steps at every input code, float64 (E, 256)."""
        x = np.arange(INPUT_MAX + 1) / INPUT_MAX
        u = (x[:, None] * self.gain + self.shift) / self.neurons.peaks
        values: Floats = np.clip(INPUT_MAX * self.neurons.curves(u).T, 0.0, INPUT_MAX)
        return values


@record()
class Die:
    """One individual chip of a description, programmed with a network.

    Attributes
    ----------
    chip, seed:
        The description, its time included, and the number of the individual.
    network:
        SHA-256 of the float network it was programmed with (``Network.digest``).
    arrays:
        One for each product of the program, in order.
    nominal:
        Whether its cells lie on their targets (for virtual chips).
    mitigation:
        The measures taken when it was programmed and calibrated.
    tables:
        One for each table step of the program, in order; None where its functions are exact.
    """

    chip: Chip
    seed: int
    network: str
    arrays: tuple[DieArray, ...]
    nominal: bool = False
    mitigation: Mitigation = field(default_factory=Mitigation)
    tables: tuple[DieTable | None, ...] = ()

    def _repr_html_(self) -> str:
        rows = []
        for i, array in enumerate(self.arrays):
            cells = array.mapped.cells
            stuck = int((cells.stuck != 0).sum())
            neurons = "-" if array.neurons is None else f"{len(array.neurons.peaks)} NDR"
            low, high = float(cells.effective.min()), float(cells.effective.max())
            size = "x".join(map(str, array.mapped.codes.shape))
            rows.append((i, size, f"{low:.3g} .. {high:.3g}", stuck, neurons))
        seconds = self.chip.conditions.time_since_programming_s
        title = f"die {self.seed} of {self.chip.name}, {seconds:g} s after programming"
        return titled(title, ("array", "weights", "conductance, uS", "stuck cells", "neurons"), rows)

    @property
    def parts(self) -> tuple[DieArray | DieTable | None, ...]:
        """Range of ECRAM states: the arrays, then the tables."""
        return (*self.arrays, *self.tables)

    @property
    def states(self) -> list[States | None]:
        """ECRAM states of each of ``parts``; None where there are none."""
        return [None if p is None or p.neurons is None else p.neurons.states for p in self.parts]

    @property
    def cells_of(self) -> Chip:
        """The chip whose laws the cells follow: without errors where the die is nominal."""
        return without_errors(self.chip) if self.nominal else self.chip

    def at(self, time_s: float) -> Die:
        """The same die so many seconds after programming; converters stay as calibrated, and so do neurons
        but for what their ECRAMs lose.

        Raises ChipError when the time is outside the drift model's, or before that of the correction.
        """
        now = self.chip.conditions
        early = now.corrected_at_s or now.time_since_programming_s
        require(time_s >= early, "time_s", time_s, f"{early:g}, when it was corrected, and more", ChipError)
        conditions = dataclasses.replace(now, time_since_programming_s=time_s, corrected_at_s=early)
        later = dataclasses.replace(self, chip=dataclasses.replace(self.chip, conditions=conditions))
        passed = time_s - now.time_since_programming_s
        return later._with([_older(part, later, passed) for part in self.parts])

    def tuned(self, states: Sequence[States | None]) -> Die:
        """The same die with the ECRAMs of each of ``parts`` at other states; None leaves one as it is.

        Raises CompileError when there is not one entry a part, or one without ECRAMs has an entry.
        """
        if len(states) != len(self.parts):
            raise CompileError(
                f"states are of {len(states)} parts; accepted: {len(self.arrays)} arrays and "
                f"{len(self.tables)} tables"
            )
        tuned_parts: list[Any] = []
        for i, (part, state) in enumerate(zip(self.parts, states, strict=True)):
            if state is not None:
                neurons = None if part is None else part.neurons
                if part is None or neurons is None or neurons.states is None:
                    raise CompileError(f"part {i} has no ECRAM at its devices; accepted: no states")
                part = dataclasses.replace(part, neurons=_set(neurons, state, self.chip))
            tuned_parts.append(part)
        return self._with(tuned_parts)

    def _with(self, parts: list[Any]) -> Die:
        count = len(self.arrays)
        return dataclasses.replace(self, arrays=tuple(parts[:count]), tables=tuple(parts[count:]))


def _older(part: DieArray | DieTable | None, die: Die, passed_s: float) -> DieArray | DieTable | None:
    """A part on ``die``, so many seconds later."""
    if part is not None and part.neurons is not None and part.neurons.states is not None:
        states = kept(part.neurons.states, die.chip, passed_s)
        part = dataclasses.replace(part, neurons=_set(part.neurons, states, die.chip))
    if isinstance(part, DieArray):
        bias = part.bias and dataclasses.replace(part.bias, mapped=aged(part.bias.mapped, die.cells_of))
        part = dataclasses.replace(part, mapped=aged(part.mapped, die.cells_of), bias=bias)
    return part


def aged(mapped: MappedWeights, chip: Chip) -> MappedWeights:
    """With what ``chip``, at its time, makes of the programmed cells."""
    cells = mapped.cells.at(chip)
    codes, saturated = conductance_codes(cells, code_max(chip.cell), mapped.full_scale_uS)
    return dataclasses.replace(mapped, cells=cells, codes=codes, saturated=saturated)


def _set(neurons: Neurons, states: States, chip: Chip) -> Neurons:
    return ndr_neurons(chip, neurons.heights, neurons.peaks, neurons.unreachable, states, neurons.devices)
