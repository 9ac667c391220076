"""Learning in situ: a chip whose weights are pulsed, prepared for the golden model and for boards."""

from emulator.learning.insitu.laws import devices_of
from emulator.learning.insitu.plan import Plan, Prepared, prepare

__all__ = ["Plan", "Prepared", "devices_of", "prepare"]
