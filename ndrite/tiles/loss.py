"""Loss of a module on tiles: by cause and by product, in any measure of the user's, and what to keep digital.

A product's error is computed in floating point by ``ndrite.emulator.mapping.explain.forward``, as for a
network that was imported; what lies between products is PyTorch's. Causes and products do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.mapping.explain import CAUSES
from ndrite.emulator.mapping.explain.forward import Forward, stages
from ndrite.emulator.network import Network
from ndrite.emulator.network.importing.original import evaluating
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes, Floats
from ndrite.emulator.spec.patches import Shape
from ndrite.host.api import Progress
from ndrite.intervals import mean_interval
from ndrite.results import Result, Table
from ndrite.tiles.convert import analog
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product

Metric = Callable[[Any], Any]
"""Measure of a module that is called as the user's own: accuracy, perplexity, mean error."""
OF_NEURONS = ("NDR device", "load line", "PWL fit", "bias cells", "DAC")
INPUTS = "input codes"
ON_TILES: dict[str, str] = {INPUTS: "inputs outside the samples' range, and their rounding to 8 bits"} | {
    cause: covers for cause, covers in CAUSES.items() if cause not in OF_NEURONS
}
"""Causes of errors of a product on tiles, and what each covers."""
ALL, DIE = "all causes", "die (golden model)"


@dataclass
class ReadAs:
    """How products are read while a loss is explained: ``causes`` of errors in floats, of the products in
    ``names`` (None: of all); None: the die itself, where ``names`` has the product, and exact floats
    elsewhere.

    ``seen``: names of the products that were read.
    """

    causes: Collection[str] | None
    names: Collection[str] | None = None
    seed: int = 0
    seen: set[str] = field(default_factory=set)
    models: dict[str, tuple[Network, list[Any], Any]] = field(default_factory=dict)

    def read(self, product: Product, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
        """The product's sums of ``x``, without bias where the die adds it; None: read it on the die."""
        self.seen.add(product.name)
        listed = self.names is None or product.name in self.names
        if not listed or (self.causes is not None and not self.causes):
            return product.exact(x, weight, bias)
        if self.causes is None:
            return None
        return self._with_causes(product, x, weight, bias)

    def _with_causes(self, product: Product, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        assert self.causes is not None
        shape: Shape = (*x.shape[1:], 1, 1)[:3] if product.whole else (x.shape[1], x.shape[2], x.shape[3])
        if product.name not in self.models:
            network, mapped = product.mapped(weight, bias)
            self.models[product.name] = network, stages(network, mapped.program, mapped.die), mapped
        network, built, mapped = self.models[product.name]
        inputs = product.watched.input_range
        values = x.detach().reshape(len(x), -1).to("cpu", torch.float64).numpy()
        span = float(inputs.span[0])
        u = (values - float(inputs.low[0])) / (span or 1.0)
        if INPUTS in self.causes:
            u = np.rint(np.clip(u, 0.0, 1.0) * INPUT_MAX) / INPUT_MAX
        causes = [cause for cause in self.causes if cause != INPUTS]
        model = Forward(network, mapped.program, mapped.die, built, causes, self.seed)
        model.correct(product.rows())
        corrections = model.corrections
        wide = product.network_on(network, shape)
        program = product.program_on(mapped.program, shape)
        model = Forward(wide, program, mapped.die, stages(wide, program, mapped.die), causes, self.seed)
        model.corrections = corrections
        sums = torch.from_numpy(model.logits(_codes(u))).to(
            x.device, torch.promote_types(x.dtype, torch.float32)
        )
        return (sums if product.whole else sums.view(len(x), *program.map_shapes[-1])).to(x.dtype)


def _codes(u: Floats) -> Codes:
    """Values 0..1 in the unit of codes, not rounded: ``Forward`` divides by 255 again."""
    return u * INPUT_MAX  # type: ignore[return-value]


@dataclass(frozen=True, eq=False, repr=False)
class ModuleLoss(Result):
    """The result of ``ndrite.explain_module``.

    Attributes
    ----------
    name, chip:
        Class of the module, name of the chip.
    reference:
        The metric of the module in floats.
    causes, products:
        The metric on each die by cause (with ``ALL`` and ``DIE`` last), and with a single product on the die.
    shares:
        Part of the multiplications on tiles, by product.
    """

    name: str
    chip: str
    reference: float
    causes: dict[str, tuple[float, ...]]
    products: dict[str, tuple[float, ...]]
    shares: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = {"causes": self.causes, "products": self.products}
        return {
            "module": self.name,
            "chip": self.chip,
            "reference": self.reference,
            "shares": self.shares,
        } | {
            kind: {name: {"dies": list(values), **_interval(values)} for name, values in of.items()}
            for kind, of in rows.items()
        }

    def tables(self) -> Iterable[Table]:
        """By cause, then by product, the largest change first."""
        title = f"{self.name} on {self.chip}: float {self.reference:.5g}"
        yield Table(
            f"{title}; each cause alone",
            ("cause", "metric", "change", "covers"),
            [(cause, *self._words(values), ON_TILES.get(cause, "")) for cause, values in self.causes.items()],
        )
        order = sorted(self.products, key=lambda name: -abs(np.mean(self.products[name]) - self.reference))
        yield Table(
            "each product alone on the die",
            ("product", "metric", "change", "multiplications"),
            [
                (name, *self._words(self.products[name]), f"{100 * self.shares.get(name, 0.0):.1f} %")
                for name in order
            ],
        )

    def _words(self, values: tuple[float, ...]) -> tuple[str, str]:
        mean, half = mean_interval(np.array(values))
        spread = "" if half is None else f" ± {half:.2g}"
        return f"{mean:.5g}", f"{mean - self.reference:+.3g}{spread}"


def explain_module(
    model: Any,
    chip: Any,
    samples: Any,
    metric: Metric,
    *,
    seed: int = 0,
    dies: int = 1,
    products: bool = True,
    progress: Progress | None = None,
) -> ModuleLoss:
    """What a module loses on tiles, by cause and by product, in any metric.

    Every cause of error stands alone, with column gains and biases corrected as on the die; then all of them
    in floating point, and the integers that the gateware computes. Last, each product is put on the die
    alone.

    Parameters
    ----------
    model, chip, samples:
        As for ``ndrite.analog``.
    metric:
        Function of a module, which it calls like ``model``; gives a finite number, such as an accuracy, a
        perplexity or a mean error.
    seed, dies:
        Dies ``seed`` to ``seed + dies - 1`` of the chip; intervals are Student's over them.
    products:
        Whether products are measured one by one: a metric for each.
    progress:
        Called as ``progress(done, total)`` after every metric.

    Raises
    ------
    EmulatorError
        As ``analog``, and when the metric raises or gives no finite number.
    """
    causes: dict[str, list[float]] = {cause: [] for cause in (*ON_TILES, ALL, DIE)}
    alone: dict[str, list[float]] = {}
    reference, done = math.nan, 0
    for die in range(dies):
        tiled = analog(model, chip, samples=samples, seed=seed + die)
        place: Placement = tiled.ndrite
        names = [product.name for product in place.products.values()]
        each = 1 + len(causes) + (len(names) if products else 0)
        models: dict[str, Any] = {}
        first = ReadAs(())
        readings = [
            ("", first),
            *((cause, ReadAs((cause,), seed=seed, models=models)) for cause in ON_TILES),
            (ALL, ReadAs(tuple(ON_TILES), seed=seed, models=models)),
            (DIE, ReadAs(None)),
            *((name, ReadAs(None, (name,))) for name in (names if products else ())),
        ]
        for name, reading in readings:
            value = measure(tiled, place, metric, reading)
            done += 1
            if progress is not None:
                progress(done, dies * each)
            if reading is first:
                reference = value
                _check_read(names, first.seen)
            elif reading.names is None:
                causes[name].append(value)
            else:
                alone.setdefault(name, []).append(value)
        place.close()
    macs = {row.name: row.macs for row in place.what.rows}
    shares = {name: macs.get(name, 0.0) / max(place.what.macs, 1.0) for name in names}
    return ModuleLoss(
        type(model).__name__,
        place.chip.name,
        reference,
        {cause: tuple(values) for cause, values in causes.items()},
        {name: tuple(values) for name, values in alone.items()},
        shares,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Placed(Result):
    """The result of ``ndrite.place``.

    Attributes
    ----------
    module:
        The module on tiles, with the products in ``digital`` in floats.
    digital:
        Names of the products that stay digital.
    curve:
        Rows (number of digital products, share of multiplications on tiles, metric), all on tiles first.
    reference, limit:
        The metric in floats, and the loss that was asked for.
    """

    module: Any
    digital: tuple[str, ...]
    curve: tuple[tuple[int, float, float], ...]
    reference: float
    limit: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = [dict(zip(("digital", "share", "metric"), row, strict=True)) for row in self.curve]
        return {"reference": self.reference, "loss": self.limit, "digital": list(self.digital), "curve": rows}

    def tables(self) -> Iterable[Table]:
        """The curve of the metric over the share on tiles."""
        rows = [(str(n), f"{100 * share:.1f} %", f"{value:.5g}") for n, share, value in self.curve]
        title = f"float {self.reference:.5g}; digital: {', '.join(self.digital) or 'none'}"
        yield Table(title, ("products in floats", "multiplications on tiles", "metric"), rows)


def place(
    model: Any,
    chip: Any,
    samples: Any,
    metric: Metric,
    *,
    loss: float,
    seed: int = 0,
    progress: Progress | None = None,
) -> Placed:
    """Which products of a module stay digital so that it loses at most ``loss``, with the rest on tiles.

    Each product's own loss is measured once. Products leave the tiles in the order of their loss per
    multiplication, until the metric of the whole is within ``loss`` of the float module's; the number of them
    is found by bisection, then trimmed one by one.

    Parameters
    ----------
    model, chip, samples, metric, seed, progress:
        As for ``explain_module``.
    loss:
        Largest distance of the metric from the float module's, above 0.

    Raises
    ------
    EmulatorError
        As ``explain_module``, and when ``loss`` is not above 0.
    """
    if not 0 < loss < math.inf:
        raise EmulatorError(f"loss is {loss}; accepted: a finite number above 0, in the unit of the metric")
    tiled = analog(model, chip, samples=samples, seed=seed)
    placement: Placement = tiled.ndrite
    names = [product.name for product in placement.products.values()]
    macs = {row.name: row.macs for row in placement.what.rows}
    everything = max(placement.what.macs, 1.0)
    steps = 2 + len(names) + 2 * max(1, len(names)).bit_length()
    done = 0

    def measured(reading: ReadAs) -> float:
        nonlocal done
        value = measure(tiled, placement, metric, reading)
        done += 1
        if progress is not None:
            progress(min(done, steps), steps)
        return value

    reference = measured(ReadAs(()))
    harm = {name: abs(measured(ReadAs(None, (name,))) - reference) for name in names}
    order = sorted(names, key=lambda name: -harm[name] / max(macs.get(name, 0.0), 1.0))
    values: dict[frozenset[str], float] = {}

    def distance(digital: frozenset[str]) -> float:
        """Loss with the products in ``digital`` in floats."""
        if digital not in values:
            values[digital] = measured(ReadAs(None, frozenset(names) - digital))
        return abs(values[digital] - reference)

    def row(digital: frozenset[str]) -> tuple[int, float, float]:
        share = sum(macs.get(name, 0.0) for name in names if name not in digital) / everything
        return len(digital), share, values[digital]

    low, high = 0, len(order)
    if distance(frozenset()) <= loss:
        high = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if distance(frozenset(order[:middle])) <= loss else (middle, high)
    curve = [row(tried) for tried in sorted(values, key=len)]
    digital = frozenset(order[:high])
    for name in sorted(digital, key=lambda name: -macs.get(name, 0.0)):  # largest first: back onto the tiles
        if distance(digital - {name}) <= loss:
            digital -= {name}
    distance(digital)  # measured by now, unless everything is digital
    placement.digital = digital
    rows = (*curve, row(digital))
    return Placed(tiled, tuple(n for n in names if n in digital), rows, reference, loss)


def _check_read(names: list[str], seen: set[str]) -> None:
    """Raise EmulatorError where the metric's samples never reach a product."""
    missed = [name for name in names if name not in seen]
    if missed:
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        raise EmulatorError(
            f"the metric's samples never read {', '.join(missed[:3])}{more}; accepted: samples "
            "that reach every product"
        )


def measure(tiled: Any, placement: Placement, metric: Metric, reading: ReadAs) -> float:
    """The metric of a module on tiles while its products are read as ``reading`` says."""
    placement.reading = reading
    try:
        with evaluating(tiled), torch.no_grad():
            value = metric(tiled)
    except EmulatorError:
        raise
    except Exception as error:
        raise EmulatorError(f"the metric raised {type(error).__name__}: {error}") from error
    finally:
        placement.reading = None
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise EmulatorError(f"the metric gave {value!r}; accepted: a finite number")
    return float(value)


def _interval(values: tuple[float, ...]) -> dict[str, Any]:
    mean, half = mean_interval(np.array(values))
    return {"mean": mean, "interval_95": None if half is None else [mean - half, mean + half]}
