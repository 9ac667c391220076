"""The account of costs: by step and component, with their sums and derived quantities."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.costs.constants import Constants, Triple, load_constants
from ndrite.costs.parts import COMPONENTS, MODELLED, Cost, Work, costs, ranged, sum_of, words_of
from ndrite.costs.program import works
from ndrite.emulator.mapping import Die
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.host.api import Progress
from ndrite.results import Result, Table

QUANTITIES = ("energy_pJ", "latency_ns", "area_um2")
OPS_PER_MAC = 2
UM2_PER_MM2 = 1e6


@dataclass(frozen=True, eq=False, repr=False)
class Account(Result):
    """The cost of one inference on one chip, over all time steps of a sequence. Each
    cost has a low, a typical and a high value.

    ``works``: of each step; ``samples``: those that the work was counted on.
    """

    works: tuple[Work, ...]
    constants: Constants
    samples: int = 0
    name: str = ""
    chip: str = ""

    @cached_property
    def parts(self) -> dict[str, dict[str, Cost]]:
        """Return the cost of each step of the program, divided by component."""
        return {work.name: costs(work, self.constants) for work in self.works}

    @property
    def macs(self) -> int:
        """Return the number of multiplications by weights in one inference."""
        return sum(work.macs for work in self.works)

    @property
    def total(self) -> Cost:
        """Return the cost of the whole inference: the sum over all steps and components."""
        return sum_of(cost for parts in self.parts.values() for cost in parts.values())

    def by_component(self) -> dict[str, Cost]:
        """Return the cost of every component, summed over all steps."""
        return {c: sum_of(parts[c] for parts in self.parts.values()) for c in COMPONENTS}

    def by_step(self) -> dict[str, Cost]:
        """Return the cost of every step, summed over all components."""
        return {step: sum_of(parts.values()) for step, parts in self.parts.items()}

    @property
    def tops_per_W(self) -> Triple:
        """Return operations per second and watt, in 10^12, counting two operations per
        multiply-accumulate. The low value is computed from the high energy."""
        return _over(OPS_PER_MAC * self.macs, self.total.energy_pJ)

    @property
    def tops_per_mm2(self) -> Triple:
        """Return operations per second and square millimetre, in 10^12, if inferences
        run one after another."""
        total = self.total
        tera_per_s = OPS_PER_MAC * self.macs * 1e-3
        return _over(tera_per_s, total.latency_ns * total.area_um2 / UM2_PER_MM2)

    def tables(self) -> Iterable[Table]:
        header = ("energy, pJ", "share", "latency, ns", "share", "area, mm2", "share", "basis")
        parts = {**self.by_component(), "all": self.total}
        counted = f"{self.constants.node_nm:g} nm, {self.samples} samples; typical (low .. high)"
        title = f"{self.name} on {self.chip}: an inference, {counted}"
        yield Table(title, ("component", *header), self._rows(parts))
        yield Table("the same by step", ("step", *header), self._rows(self.by_step()))

    def _rows(self, parts: dict[str, Cost]) -> list[tuple[str, ...]]:
        rows, mm2 = [], 1 / UM2_PER_MM2
        for name, cost in parts.items():
            row = [name]
            for value, total in (
                (cost.energy_pJ, self.total.energy_pJ),
                (cost.latency_ns, self.total.latency_ns),
                (mm2 * cost.area_um2, mm2 * self.total.area_um2),
            ):
                row += [words_of(value), f"{value[1] / total[1]:.1%}" if total[1] else "-"]
            rows.append((*row, MODELLED))
        return rows

    def lines(self) -> Iterable[str]:
        yield (
            f"{MODELLED}: {self.macs:,} MACs, 2 operations each: {words_of(self.tops_per_W)} TOPS/W, "
            f"{words_of(self.tops_per_mm2)} TOPS/mm2, one inference after the other"
        )
        yield "components: " + "; ".join(f"{name}: {description}" for name, description in COMPONENTS.items())

    def as_dict(self) -> dict[str, Any]:
        operations = {"basis": MODELLED, "operations_per_mac": OPS_PER_MAC}
        return {
            "basis": MODELLED,
            "program": self.name,
            "chip": self.chip,
            "node_nm": self.constants.node_nm,
            "samples": self.samples,
            "macs": self.macs,
            "total": self.total.as_dict(*QUANTITIES),
            "tops_per_W": ranged(self.tops_per_W) | operations,
            "tops_per_mm2": ranged(self.tops_per_mm2) | operations,
            "components": [
                {"component": name, **cost.as_dict(*QUANTITIES)} for name, cost in self.by_component().items()
            ],
            "steps": [{"step": name, **cost.as_dict(*QUANTITIES)} for name, cost in self.by_step().items()],
        }


def account_of(
    program: Program,
    die: Die,
    x: npt.NDArray[np.uint8],
    constants: Constants | None = None,
    *,
    network: Network | None = None,
    progress: Progress | None = None,
) -> Account:
    """Compute the cost of one inference of ``program`` on ``die``, as a mean over
    samples x uint8 (n, inputs).

    Modelled, not measured. Steps follow one another and every array has its own
    converters, drivers and neurons. Not counted: programming, leakage, clocks, control,
    what enters and leaves the chip. ``network``: as for ``works``. Raises CostError
    when the constants cannot be read.
    """
    all_work = tuple(works(program, die, x, network, progress=progress))
    return Account(all_work, constants or load_constants(), len(x), program.name, die.chip.name)


def _over(amount: float, by: Triple) -> Triple:
    """Return the range ``amount / by`` in rising order, where ``by`` is a range low,
    typical, high; 0 where ``by`` is 0."""
    return np.divide(amount, by[::-1], out=np.zeros(3), where=by[::-1] > 0)
