"""The picture of `ndrite explain`, and how its inputs are found.

Imports matplotlib (when drawing), ndrite.shipped and emulator only.
"""

from ndrite.explain.picture import draw
from ndrite.explain.subject import Subject, shipped_samples, subject_of

__all__ = ["Subject", "draw", "shipped_samples", "subject_of"]
