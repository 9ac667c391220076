"""One engine for every grid of runs: independent runs on local processes or a cluster,
whose results are stored one by one, so that a grid can be resumed.

Imports ndrite.emulator.{errors,spec} and errors of the host; Dask only where a
scheduler is named.
"""

from ndrite.runs.engine import Outcome, execute, folder_beside
from ndrite.runs.run import File, Row, Run
from ndrite.runs.workers import GOLDEN, Crew, open_workers

__all__ = ["GOLDEN", "Crew", "File", "Outcome", "Row", "Run", "execute", "folder_beside", "open_workers"]
