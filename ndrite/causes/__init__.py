"""The picture of `ndrite explain`, and how its inputs are found.

Imports matplotlib (when drawing), ndrite.shipped and emulator only.
"""

from ndrite.causes.picture import draw
from ndrite.causes.subject import Subject, mapped_subject, subject_of

__all__ = ["Subject", "draw", "mapped_subject", "subject_of"]
