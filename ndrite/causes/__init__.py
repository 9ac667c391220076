"""The picture of `ndrite explain`. Imports matplotlib (when drawing) and emulator only."""

from ndrite.causes.picture import draw

__all__ = ["draw"]
