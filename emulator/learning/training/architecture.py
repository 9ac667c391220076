"""Hidden layers by their text: ``conv 16 3 stride 2, residual 3, pool 2, bases 3, 128``. Needs no PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from emulator.errors import EmulatorError

ACCEPTED = (
    "widths 1..65536, conv CHANNELS KERNEL, depthwise KERNEL, residual KERNEL, pool SIZE, average [SIZE], "
    "bases COUNT [each], separated by commas; conv and depthwise take stride N, conv takes groups N; bases "
    "1..16"
)
WIDTH_MAX = 65536
BASES_MAX = 16


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """Neurons behind ``channels`` kernels of ``kernel`` rows and columns (odd), a border of 0 around the map.

    ``channels`` None: as many as there are, each with a kernel of its own (depthwise).
    """

    channels: int | None
    kernel: int
    stride: int = 1
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Residual:
    """Two convolutions that keep the map's shape; the map is added to the second one's sums."""

    kernel: int


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """``max`` or ``average`` of windows of ``size`` side by side; None: of the whole map."""

    of: str
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Bases:
    """``count`` curves of every channel, side by side; the layer behind them sums them: together they are a
    Kolmogorov-Arnold layer, whose functions of single values are those sums.

    The row drivers apply a value ``count`` times, each with a gain and an offset of its own, to NDR devices.
    ``each``: the devices of every channel are tuned by themselves; else all of a basis are alike.
    """

    count: int
    each: bool = False


Hidden = int | Convolution | Residual | Pooling | Bases
"""A hidden layer; a number is the width of a full layer."""


def on_images(hidden: Iterable[Hidden]) -> bool:
    """Whether a layer needs to know which values are neighbours."""
    return not all(isinstance(layer, int | Bases) for layer in hidden)


def read_hidden(text: str) -> tuple[Hidden, ...]:
    """The layers that a text says. Raises EmulatorError when a part of it is no layer."""
    return tuple(_layer(part) for part in text.split(","))


FORMS: dict[str, Callable[..., Hidden]] = {
    r"(?P<width>\d+)": lambda width: width,
    r"(?!.*(stride|groups).*\1)conv (?P<channels>\d+) (?P<kernel>\d+)"
    r"(?: stride (?P<stride>\d+)| groups (?P<groups>\d+))*": Convolution,
    r"depthwise (?P<kernel>\d+)(?: stride (?P<stride>\d+))?": partial(Convolution, channels=None),
    r"residual (?P<kernel>\d+)": Residual,
    r"pool (?P<size>\d+)": partial(Pooling, of="max"),
    r"average(?: (?P<size>\d+))?": partial(Pooling, of="average"),
    r"bases (?P<count>\d+)": Bases,
    r"bases (?P<count>\d+) each": partial(Bases, each=True),
}
"""What a part of the text may be, and the layer that its numbers make."""


def _layer(part: str) -> Hidden:
    for form, layer in FORMS.items():
        found = re.fullmatch(form, " ".join(part.split()))
        numbers = {} if found is None else {k: int(v) for k, v in found.groupdict().items() if v}
        fits = all(
            1 <= value <= (BASES_MAX if name == "count" else WIDTH_MAX) for name, value in numbers.items()
        )
        if found is not None and fits and numbers.get("kernel", 1) % 2:
            return layer(**numbers)
    raise EmulatorError(f"{part.strip()!r} is no layer; accepted: {ACCEPTED}")
