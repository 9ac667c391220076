"""Loss of a module on tiles, by cause of error and by matrix product, in any metric
that the user provides.

A product's error is computed in floating point by
``ndrite.emulator.mapping.explain.forward``, as for a network that was imported; what
lies between products is PyTorch's. Causes and products do not add up.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.emulator.device.description import Chip, load_chip, parse_chip
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.mapping import Mapped
from ndrite.emulator.mapping.explain.forward import Forward, Stage, stages
from ndrite.emulator.network import Network
from ndrite.emulator.network.importing.original import evaluating
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes, Floats
from ndrite.emulator.spec.patches import Shape
from ndrite.host.api import Progress
from ndrite.losses import ALL, DIE, INPUTS, ON_TILES, ModuleLoss
from ndrite.runs import Crew, File, Row, Run, execute
from ndrite.tiles.assessment import Assessment
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product
from ndrite.tiles.source import Metric, Source, read_source, source_file

MODULE = "ndrite.tiles.loss"
WEIGHTS_KEPT = 1 << 24
"""Number of weights whose float models are kept in memory for all causes, at some 140 B
per weight; products beyond it are mapped again for every cause."""


@dataclass
class ReadAs:
    """Says how matrix products are computed while a loss is explained. ``causes`` are
    the errors to apply, in floats, to the products in ``names`` (None: to all
    products). If ``causes`` is None, the products in ``names`` are read on the die. All
    other products are exact floats.

    ``seen``: names of the products that were read.
    """

    causes: Collection[str] | None
    names: Collection[str] | None = None
    seed: int = 0
    seen: set[str] = field(default_factory=set)
    models: dict[str, tuple[Network, list[Stage], Mapped]] = field(default_factory=dict)

    def read(
        self, product: Product, x: Tensor, weight: Tensor, bias: Tensor | None, call: int
    ) -> Tensor | None:
        """Compute the product's sums for ``x``, without the bias if the die adds it.
        The result None means that the caller must read the product on the die.

        ``call``: which read of the product in this pass.
        """
        self.seen.add(product.name)
        listed = self.names is None or product.name in self.names
        if not listed or (self.causes is not None and not self.causes):
            return product.exact(x, weight, bias)
        if self.causes is None:
            return None
        return self._with_causes(product, x, weight, bias, call)

    def _with_causes(
        self, product: Product, x: Tensor, weight: Tensor, bias: Tensor | None, call: int
    ) -> Tensor:
        assert self.causes is not None
        shape: Shape = (*x.shape[1:], 1, 1)[:3] if product.whole else (x.shape[1], x.shape[2], x.shape[3])
        model_parts = self.models.get(product.name)
        if model_parts is None:
            network, mapped = product.mapped(weight, bias)
            model_parts = network, stages(network, mapped.program, mapped.die), mapped
            kept = sum(net.products[0].dense.weights.size for net, *_ in self.models.values())
            if kept + weight.numel() <= WEIGHTS_KEPT:
                self.models[product.name] = model_parts
        network, built, mapped = model_parts
        inputs = product.watched.input_range
        values = product.divided(x.detach()).reshape(len(x), -1).to("cpu", torch.float64).numpy()
        span = float(inputs.span[0])
        u = (values - float(inputs.low[0])) / (span or 1.0)
        if INPUTS in self.causes:
            u = np.rint(np.clip(u, 0.0, 1.0) * INPUT_MAX) / INPUT_MAX
        causes = [cause for cause in self.causes if cause != INPUTS]
        # Each product is the first product of a network of its own; separate seeds keep
        # the read noise of different products independent.
        (seed,) = np.random.SeedSequence((self.seed, product.number, call)).generate_state(1, np.uint64)
        model = Forward(network, mapped.program, mapped.die, built, causes, int(seed))
        model.correct(product.rows())
        corrections = model.corrections
        wide = product.network_on(network, shape)
        program = product.program_on(mapped.program, shape)
        model = Forward(wide, program, mapped.die, stages(wide, program, mapped.die), causes, int(seed))
        model.corrections = corrections
        sums = torch.from_numpy(model.logits(_codes(u))).to(
            x.device, torch.promote_types(x.dtype, torch.float32)
        )
        return (sums if product.whole else sums.view(len(x), *program.map_shapes[-1])).to(x.dtype)


def _codes(u: Floats) -> Codes:
    """Scale values 0..1 by 255 to the unit of codes, without rounding, since
    ``Forward`` divides its inputs by 255."""
    return u * INPUT_MAX  # type: ignore[return-value]


def explain_module(
    assessed: Assessment,
    dies: int,
    crew: Crew,
    products: bool = True,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> ModuleLoss:
    """Explain how a module's metric changes on tiles, by cause of error and by matrix
    product; implements ``ndrite.explain``.

    Every cause of error is applied alone, with column gains and biases corrected as on
    the die. Then all causes are applied together in floating point, and after that the
    integers of the gateware. Last, each product is put on the die alone.

    The dies have the seeds from that of ``assessed`` on; the ``crew`` shares them.
    ``products``: whether the products are measured one by one. ``folder``: where
    results of dies are kept. ``progress`` is called after every metric or, with other
    processes or a folder, after every die.

    Raises EmulatorError as ``analog`` does, and if the metric raises or gives no finite
    number, or if its samples miss a product.
    """
    chip, seed = assessed.chip if isinstance(assessed.chip, Chip) else load_chip(assessed.chip), assessed.seed
    source = assessed.source
    assessed = replace(assessed, chip=chip)
    rows: list[Row] = []
    if crew.count == 1 and crew.scheduler is None and folder is None:
        for number in range(dies):
            first = None if progress is None else _from(progress, number, dies)
            rows.append(_losses(source, replace(assessed, seed=seed + number), products, first))
    else:
        with crew.open(MODULE, "torch") as opened, tempfile.TemporaryDirectory() as name:
            chosen = assessed.samples, assessed.metric
            file, function = source_file(assessed.module, source, chosen, Path(name))
            of = {"source": file, "function": function, "chip": chip.as_dict(), "products": products}
            of |= {"channel_ranges": assessed.channel_ranges}
            runs = [Run(f"{MODULE}:losses", {**of, "die": seed + number}) for number in range(dies)]
            report = progress or (lambda done, total: None)
            kept = Path(name) if folder is None else folder
            outcome = execute(runs, opened, kept, progress=report, say=crew.announce)
        rows = outcome.done("dies", lambda number: f"die {seed + number}")
    by_kind = {
        kind: {name: tuple(row[kind][name] for row in rows) for name in rows[0][kind]}
        for kind in ("causes", "products")
    }
    return ModuleLoss(
        name=type(source.module).__name__,
        chip=chip.name,
        reference=rows[0]["reference"],
        shares=rows[0]["shares"],
        seeds=tuple(range(seed, seed + dies)),
        **by_kind,
    )


def _from(progress: Progress, number: int, dies: int) -> Progress:
    """Return a progress function for die ``number`` that reports progress over all ``dies``."""
    return lambda done, total: progress(number * total + done, dies * total)


def losses(
    *,
    source: File,
    function: str,
    chip: dict[str, Any],
    die: int,
    products: bool,
    channel_ranges: float | None,
) -> Row:
    """Compute the metric of a module on one die, by cause and by product, as a
    run of the engine."""
    read = read_source(source, function)
    assessed = Assessment(
        read.module, parse_chip(chip), read.samples, read.metric, seed=die, channel_ranges=channel_ranges
    )
    return _losses(read, assessed, products)


def _losses(source: Source, assessed: Assessment, products: bool, progress: Progress | None = None) -> Row:
    """Compute the metric on one die: the float ``reference``, the metric by cause of
    error (``causes``) and by matrix product (``products``), and the products'
    ``shares`` of the multiplications."""
    tiled, die = assessed.on_tiles(source), assessed.seed
    placement: Placement = tiled.ndrite
    names = [product.name for product in placement.products.values()]
    models: dict[str, tuple[Network, list[Stage], Mapped]] = {}
    by_cause = {
        **{cause: ReadAs((cause,), seed=die, models=models) for cause in ON_TILES},
        ALL: ReadAs(tuple(ON_TILES), seed=die, models=models),
        DIE: ReadAs(None),
    }
    by_product = {name: ReadAs(None, (name,)) for name in (names if products else ())}
    reference = in_floats(tiled, placement, source.judge)
    values: dict[str, dict[str, float]] = {"causes": {}, "products": {}}
    readings = [("causes", *item) for item in by_cause.items()]
    readings += [("products", *item) for item in by_product.items()]
    for done, (kind, name, reading) in enumerate(readings, 1):
        if progress is not None:
            progress(done, 1 + len(readings))
        values[kind][name] = measure(tiled, placement, source.judge, reading)
    if progress is not None:
        progress(1 + len(readings), 1 + len(readings))
    placement.close()
    macs = {row.name: row.macs for row in placement.what.rows}
    shares = {name: macs.get(name, 0.0) / max(placement.what.macs, 1.0) for name in names}
    return {"reference": reference, "shares": shares, **values}


def in_floats(tiled: torch.nn.Module, placement: Placement, metric: Metric) -> float:
    """Return the metric with exact matrix products. Raises EmulatorError if the samples
    never reach a product."""
    floats = ReadAs(())
    value = measure(tiled, placement, metric, floats)
    missed = [p.name for p in placement.products.values() if p.name not in floats.seen]
    if missed:
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        raise EmulatorError(
            f"the metric's samples never reach the matrix products {', '.join(missed[:3])}{more}; accepted: "
            "samples that reach every product"
        )
    return value


def measure(tiled: torch.nn.Module, placement: Placement, metric: Metric, reading: ReadAs) -> float:
    """Return the metric of a module on tiles while its matrix products are computed as
    ``reading`` says."""
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
