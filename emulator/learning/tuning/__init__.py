"""Tuning of a programmed chip by ECRAM pulses alone: states, pulses, new
curves, and the learner.

Imports NumPy and ndrite.emulator.{spec,errors,device,network,mapping} only. The chip
(``EcramBank``, ``retune``) holds what a device is; the learner (``Learner``,
``calibrate``) sees the board's outputs, the states as read, and the float network.
"""

from ndrite.emulator.learning.tuning.calibrate import CalibrationResult, Plan, calibrate
from ndrite.emulator.learning.tuning.learner import Learner
from ndrite.emulator.learning.tuning.retune import EcramBank, Tunable
