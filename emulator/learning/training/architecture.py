"""Hidden layers by their text: ``conv 16 3 stride 2, residual 3, pool 2, bases 3, 128``. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    size: int | None


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


def _layer(part: str) -> Hidden:
    words = part.split()
    try:
        return _parsed(words)
    except (ValueError, IndexError):
        raise EmulatorError(f"{part.strip()!r} is no layer; accepted: {ACCEPTED}") from None


def _parsed(words: list[str]) -> Hidden:
    kind = words[0]
    if kind == "conv":
        options = _options(words[3:], ("stride", "groups"))
        return Convolution(channels=_number(words[1]), kernel=_odd(words[2]), **options)
    if kind == "depthwise":
        return Convolution(channels=None, kernel=_odd(words[1]), **_options(words[2:], ("stride",)))
    if kind == "residual":
        (kernel,) = words[1:]
        return Residual(kernel=_odd(kernel))
    if kind == "bases":
        count, *rest = words[1:]
        if rest not in ([], ["each"]) or _number(count) > BASES_MAX:
            raise ValueError
        return Bases(count=int(count), each=bool(rest))
    if kind in ("pool", "average"):
        if len(words) > 2 or (kind == "pool" and len(words) == 1):
            raise ValueError
        size = _number(words[1]) if len(words) == 2 else None
        return Pooling(of="max" if kind == "pool" else kind, size=size)
    if len(words) > 1:
        raise ValueError
    return _number(kind)


def _options(words: list[str], accepted: tuple[str, ...]) -> dict[str, int]:
    names = words[::2]
    if len(words) % 2 or len(set(names)) < len(names) or not set(names) <= set(accepted):
        raise ValueError
    return {name: _number(value) for name, value in zip(names, words[1::2], strict=True)}


def _number(word: str) -> int:
    value = int(word)
    if not 1 <= value <= WIDTH_MAX:
        raise ValueError
    return value


def _odd(word: str) -> int:
    value = _number(word)
    if value % 2 == 0:
        raise ValueError
    return value
