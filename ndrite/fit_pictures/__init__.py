"""Pictures of measured data against fitted models.

Imports matplotlib (when drawing) and emulator.device.fitting only.
"""

from ndrite.fit_pictures.picture import DRAWN

__all__ = ["DRAWN"]
