"""Pictures of measured data against fitted models.

Imports matplotlib (when drawing) and emulator.device.fitting only.
"""

from ndrite.fit_pictures.picture import draw_ecram, draw_ndr, draw_rram

__all__ = ["draw_ecram", "draw_ndr", "draw_rram"]
