"""The schedule bound: the fewest clock cycles an array of N lanes can take when no row is skipped."""

from __future__ import annotations

from emulator.spec.arithmetic import slices
from emulator.spec.image import ChipImage


def bound_cycles(image: ChipImage, lanes: int) -> int:
    """Sum over the layers of K * J * ceil(M / lanes), in cycles an inference."""
    return sum(layer.inputs * slices(layer.dac_bits) * -(-layer.outputs // lanes) for layer in image.layers)
