"""Every small way to lay a kernel on a map, and a step's record packed into the bits of a port."""

import itertools
from collections.abc import Iterator

from emulator.spec.errors import ProgramError
from emulator.spec.patches import Patches
from emulator.spec.walk_record import STEP
from hdl.walk.layouts import step_layout

PADDINGS = ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 2), (2, 2, 1, 1))


def small_patches(channels: tuple[int, ...] = (1, 3), most: int = 4) -> Iterator[Patches]:
    """Maps up to ``most`` rows and columns, kernels up to 3 x 3, strides and dilations 1 and 2, borders."""
    sides = range(1, most + 1)
    for c, h, w, kh, kw in itertools.product(channels, sides, sides, (1, 2, 3), (1, 2, 3)):
        for stride, dilation, padding in itertools.product(
            itertools.product((1, 2), repeat=2), itertools.product((1, 2), repeat=2), PADDINGS
        ):
            try:
                yield Patches(
                    shape=(c, h, w), kernel=(kh, kw), stride=stride, dilation=dilation, padding=padding
                )
            except ProgramError:
                continue


def packed(fields: dict[str, int]) -> int:
    """``fields`` of a step's record as the bits of a port of ``step_layout``."""
    layout, bits = step_layout(), 0
    for name, value in fields.items():
        width = STEP[name][2]
        bits |= (value & (1 << width) - 1) << layout[name].offset
    return bits
