"""What the products of a module on tiles cost: energy, latency and area of one sample, modelled."""

from __future__ import annotations

import dataclasses
from typing import Any

from emulator.errors import EmulatorError
from emulator.learning.training.extra import torch
from ndrite.costs import Account, Constants, load_constants
from ndrite.costs.account import account
from ndrite.costs.program import works
from ndrite.costs.work import HARDWARE, QUALITIES, Work
from ndrite.tiles.layer import TiledLayer
from ndrite.tiles.placement import Placement


def cost_of(chip: Any, x: Any, constants: Constants | None = None) -> Account:
    """What one sample through ``chip``, a module that ``analog`` made, costs: mean over samples ``x``.

    Products alone: converters, drivers, cells, and the memory their inputs and sums pass through. What
    PyTorch computes between them (activations, pooling, gates, normalisation) is not in it. Each product has
    arrays of its own, and products follow one another. ``x``: a tensor (n, ...), or a tuple of arguments.

    Raises
    ------
    EmulatorError
        When ``chip`` has no products on tiles, there is no sample, or no product is read.
    """
    placement = getattr(chip, "ndrite", None)
    if not isinstance(placement, Placement):
        raise EmulatorError(f"chip is a {type(chip).__name__}; accepted: a module that ndrite.analog made")
    arguments = x if isinstance(x, tuple) else (x,)
    count = len(arguments[0])
    if not count:
        raise EmulatorError("x holds 0 samples; accepted: at least one to count the work of")
    training = chip.training
    placement.read = {}
    try:
        with torch.no_grad():
            chip.eval()(*arguments)
        read = placement.read
    finally:
        placement.read = None
        chip.train(training)
    found: list[Work] = []
    for layer in (m for m in chip.modules() if isinstance(m, TiledLayer)):
        for product, matrix in layer.products():
            calls = read.get(product.name, [])
            if not calls:
                continue
            die = product.die(matrix.weight, matrix.bias)
            parts = [
                [w.times(len(codes) / count) for w in works(program, die, codes)] for program, codes in calls
            ]
            found += [_named(_sum(same), product.name) for same in zip(*parts, strict=True)]
    if not found:
        raise EmulatorError(
            "no product was read; accepted: a module whose products are used by its forward pass"
        )
    return account(
        found,
        constants or load_constants(),
        name=type(chip).__name__,
        chip=placement.chip.name,
        samples=count,
    )


def _named(work: Work, name: str) -> Work:
    return dataclasses.replace(work, name=f"{name}: {work.name}")


def _sum(same: Any) -> Work:
    """Several calls of one product's step: counts add, the hardware is the same."""
    first = same[0]
    total = {
        field.name: sum(getattr(work, field.name) for work in same)
        for field in dataclasses.fields(first)
        if field.name not in HARDWARE | QUALITIES
    }
    return dataclasses.replace(first, **total)
