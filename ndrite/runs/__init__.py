"""One engine for every grid: independent runs on local processes or a cluster, sealed one by one, resumable.

Imports ndrite.emulator.{errors,spec} and the standard library; Dask only where a scheduler is named.
"""

from ndrite.runs.engine import Outcome, execute
from ndrite.runs.run import File, Run
from ndrite.runs.workers import open_workers

__all__ = ["File", "Outcome", "Run", "execute", "open_workers"]
