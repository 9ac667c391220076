"""Explanation of errors: one compiled network, with its causes of error switched
on one at a time.

Imports NumPy and ndrite.emulator.{spec,errors,golden,device,network,mapping} only.
"""

from ndrite.emulator.mapping.explain.benefits import Outcome, Trial, mitigation_benefits, mitigations
from ndrite.emulator.mapping.explain.explain import (
    ALL,
    PROGRAM,
    SNR_MAX_DB,
    Explanation,
    Judge,
    Row,
    accuracy,
    explain,
    snr_db,
)
from ndrite.emulator.mapping.explain.forward import CAUSES
