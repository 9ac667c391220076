"""The schedule bound: the fewest clock cycles an array of N lanes can take when no row is skipped."""

from __future__ import annotations

from emulator.spec.arithmetic import slices
from emulator.spec.image import ChipImage


def bound_cycles(image: ChipImage, lanes: int, at_once: int = 1) -> int:
    """Sum over the layers of K * J / ``at_once`` * ceil(M / lanes), in cycles an inference.

    ``at_once`` is ``Geometry.slices``: DAC slices that the array adds in one cycle.
    """
    return sum(
        layer.inputs * (slices(layer.dac_bits) // at_once) * -(-layer.outputs // lanes)
        for layer in image.layers
    )
