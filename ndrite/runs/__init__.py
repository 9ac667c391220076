"""One engine for every grid: independent runs on local processes or a cluster, sealed one by one, resumable.

Imports ndrite.emulator.{errors,spec} and errors of the host; Dask only where a scheduler is named.
"""

from ndrite.runs.engine import Outcome, execute, folder_beside
from ndrite.runs.run import File, Run
from ndrite.runs.workers import GOLDEN, open_workers

__all__ = ["GOLDEN", "File", "Outcome", "Run", "execute", "folder_beside", "open_workers"]
