"""Where the error comes from: one compiled network, its causes of error switched on one at a time.

Imports NumPy and emulator.{spec,errors,chips,network,compile,golden} only.
"""

from emulator.explain.benefits import Outcome, judge, mitigation_benefits, mitigations
from emulator.explain.causes import CAUSES
from emulator.explain.explain import Explanation, Row, explain, snr_db

__all__ = [
    "CAUSES",
    "Explanation",
    "Outcome",
    "Row",
    "explain",
    "judge",
    "mitigation_benefits",
    "mitigations",
    "snr_db",
]
