"""Digital: finds which matrix products of a module must stay off the tiles so that
its loss is limited."""

import math
import statistics
import time
from collections.abc import Callable, Collection

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import torch
from ndrite.host.api import Progress
from ndrite.losses import Placed
from ndrite.tiles.assessment import Assessment
from ndrite.tiles.loss import ReadAs, in_floats, measure
from ndrite.tiles.placement import Placement
from ndrite.tiles.source import Metric

Digital = frozenset[str]
MEASURING = 0.5
"""Share of the time limit for measuring the products one by one; the rest is for the search."""


class Trial:
    """Measures the metric of a module on tiles while any set of its matrix products is
    computed in floats; each set is measured only once.

    ``steps``: how many measures are expected, for ``progress``.
    """

    def __init__(
        self, module: torch.nn.Module, placement: Placement, metric: Metric, progress: Progress | None
    ) -> None:
        self.module, self.placement, self.metric, self.progress = module, placement, metric, progress
        self.names = [product.name for product in placement.products.values()]
        self.macs = {row.name: row.macs for row in placement.what.rows}
        self.steps = 1 + len(self.names) + 2 * max(1, len(self.names)).bit_length()
        self.done = 0
        self.values: dict[Digital, float] = {}
        self.reference = in_floats(module, placement, metric)
        self._step()

    def alone(self, name: str) -> float:
        """Return the loss of the metric if only product ``name`` is on the die."""
        return abs(self._measured((name,)) - self.reference)

    def loss(self, digital: Digital) -> float:
        """Return the loss of the metric if the products in ``digital`` are computed in
        floats and all others on the die."""
        if digital not in self.values:
            left = frozenset(self.names) - digital
            self.values[digital] = self._measured(left) if left else self.reference
        return abs(self.values[digital] - self.reference)

    def row(self, digital: Digital) -> tuple[int, float, float]:
        """Return one row of the table: number of digital products, share of the
        multiplications on tiles, metric."""
        share = sum(self.macs.get(name, 0.0) for name in self.names if name not in digital)
        return len(digital), share / max(self.placement.what.macs, 1.0), self.values[digital]

    def _measured(self, on_die: Collection[str]) -> float:
        value = measure(self.module, self.placement, self.metric, ReadAs(None, on_die))
        self._step()
        return value

    def _step(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(min(self.done, self.steps), self.steps)


def place_products(
    assessed: Assessment, *, loss: float, minutes: float | None = None, progress: Progress | None = None
) -> Placed:
    """Find the matrix products that must stay digital; implements ``ndrite.place``.

    Each product's own loss is measured once. Products leave the tiles in the order of
    their loss per multiplication, until the metric of the whole is within ``loss`` of
    the float module's; the number of them is found by bisection, then trimmed one by
    one. After half of ``minutes`` products that are not measured yet count with the
    median loss per multiplication, and after all of them the best placement so far is
    the result: everything in floats, where none is within ``loss``.

    Raises EmulatorError as ``analog``, for a metric that raises or gives no finite
    number, and for samples that miss a product.
    """
    if not 0 < loss < math.inf:
        raise EmulatorError(f"loss is {loss}; accepted: a finite number above 0, in the unit of the metric")
    budget = math.inf if minutes is None else 60 * minutes
    begin = time.monotonic()

    def has_time(share: float = 1.0) -> bool:
        return time.monotonic() - begin < share * budget

    source = assessed.source
    tiled = assessed.on_tiles(source)
    placement: Placement = tiled.ndrite
    trial = Trial(tiled, placement, source.judge, progress)
    harm: dict[str, float] = {}
    best = frozenset(trial.names)
    if trial.loss(frozenset()) <= loss:
        best = frozenset()
    else:
        # Products with most multiplications come first: they decide what share of the
        # work is done on tiles.
        for name in sorted(trial.names, key=lambda name: -trial.macs.get(name, 0.0)):
            if has_time(MEASURING):
                harm[name] = trial.alone(name)
        best = _searched(trial, _order(trial, harm), loss, has_time)
    trial.loss(best)
    rows = [trial.row(digital) for digital in sorted(trial.values, key=len) if digital != best]
    placement.digital = best
    digital_names = tuple(name for name in trial.names if name in best)
    return Placed(tiled, digital_names, (*rows, trial.row(best)), trial.reference, loss, harm)


def _order(trial: Trial, harm: dict[str, float]) -> list[str]:
    """Sort products by their loss of the metric per multiplication, largest first."""
    per_mac = {name: harm[name] / max(trial.macs.get(name, 0.0), 1.0) for name in harm}
    usual = statistics.median(per_mac.values()) if per_mac else 0.0
    return sorted(trial.names, key=lambda name: -per_mac.get(name, usual))


def _searched(trial: Trial, order: list[str], loss: float, has_time: Callable[[], bool]) -> Digital:
    """Find the fewest products from the beginning of ``order`` that must be
    digital to keep the loss within ``loss``; return them without those that turn
    out not to be needed."""
    low, high = 0, len(order)
    while high - low > 1 and has_time():
        middle = (low + high) // 2
        low, high = (low, middle) if trial.loss(frozenset(order[:middle])) <= loss else (middle, high)
    digital = frozenset(order[:high])
    # Products with most multiplications first.
    for name in sorted(digital, key=lambda name: -trial.macs.get(name, 0.0)):
        if has_time() and trial.loss(digital - {name}) <= loss:
            digital -= {name}
    return digital
