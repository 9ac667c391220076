"""Modelled cost of the matrix products of a module on tiles: energy, latency and
area of one sample."""

import dataclasses
import functools
import os
from typing import Any

from ndrite.costs.account import Account
from ndrite.costs.constants import Constants, load_constants
from ndrite.costs.parts import Use, Work
from ndrite.costs.program import works
from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import torch
from ndrite.emulator.network.importing.original import evaluating
from ndrite.tiles.convert import analog
from ndrite.tiles.placement import Placement, ReadInputs
from ndrite.tiles.product import Product
from ndrite.tiles.source import source_of


def cost_of_module(
    module: torch.nn.Module | str,
    chip: Chip | str | os.PathLike[str],
    samples: object,
    count: int,
    constants: Constants | None = None,
) -> Account:
    """Compute the cost of one sample through ``module`` on a chip, as a mean over the
    first ``count`` samples of the first batch in ``samples``.

    ``module``, ``samples``: as for ``source_of``. Errors as for ``analog`` and ``cost_of``.
    """
    source = source_of(module, samples, judged=False)
    return cost_on(analog(source.module, chip, samples=source.samples), count, constants)


def cost_on(tiled: torch.nn.Module, count: int, constants: Constants | None = None) -> Account:
    """Compute the cost of one sample through ``tiled``, a module that ``analog``
    returned, as a mean over the first ``count`` of its calibration samples."""
    arguments, keywords = tiled.ndrite.samples[0]
    first = next(v for v in (*arguments, *keywords.values()) if isinstance(v, torch.Tensor))

    def cut(value: object) -> object:
        if isinstance(value, torch.Tensor) and value.dim() and len(value) == len(first):
            return value[:count]
        return value

    cut_keywords = {name: cut(value) for name, value in keywords.items()}
    return cost_of(tiled, cut_keywords or tuple(map(cut, arguments)), constants)


def cost_of(chip: torch.nn.Module, x: Any, constants: Constants | None = None) -> Account:
    """Compute the cost of one sample through ``chip``, a module that ``analog``
    returned, as a mean over samples ``x``.

    Products alone: converters, drivers, cells, the memory their inputs and sums pass
    through, and with ``channel_ranges`` a multiplication for each input, by a unit per
    channel. PyTorch's work between them (activations, pooling, gates, normalisation) is
    not in it. Each product has arrays of its own, and products follow one another.
    ``x``: a tensor (n, ...), a tuple of arguments, or a dictionary of named ones.

    Raises
    ------
    EmulatorError
        When ``chip`` has no products on tiles, there is no sample, or no product is read.
    """
    placement = getattr(chip, "ndrite", None)
    if not isinstance(placement, Placement):
        raise EmulatorError(f"chip is a {type(chip).__name__}; accepted: a module that ndrite.analog made")
    keywords = x if isinstance(x, dict) else {}
    arguments = () if keywords else x if isinstance(x, tuple) else (x,)
    count = len((*arguments, *keywords.values())[0])
    if not count:
        raise EmulatorError("x holds 0 samples; accepted: at least one to count the work of")
    read: dict[Product, list[ReadInputs]] = {}
    placement.read = read
    try:
        with evaluating(chip), torch.no_grad():
            chip(*arguments, **keywords)
    finally:
        placement.read = None
    all_work: list[Work] = []
    for product in sorted(read, key=lambda product: product.number):
        weight, bias, *_ = read[product][0]
        die = product.die(weight, bias)
        calls = [
            [w.times(len(codes) / count) for w in works(program, die, codes)]
            for _, _, program, codes in read[product]
        ]
        for same in zip(*calls, strict=True):
            work = functools.reduce(Work.and_again, same)
            all_work.append(dataclasses.replace(work, name=f"{product.name}: {work.name}"))
        if placement.channel_ranges is not None:
            divided = sum(codes.size for *_, codes in read[product]) / count
            scales = Use("multiply", divided, there=len(product.scale))
            all_work.append(Work(f"{product.name}: scales of channels", uses=(scales,)))
    if not all_work:
        raise EmulatorError(
            "no matrix product ran on the die; accepted: a module whose forward pass uses its weights"
        )
    known_constants = constants or load_constants()
    return Account(tuple(all_work), known_constants, count, type(chip).__name__, placement.chip.name)
