"""Sweeps: grids over chip fields, seeds and networks, on Dask workers, resumable.

May import everything; Dask and PyArrow (the extra ``sweep``) only inside functions.
"""

from ndrite.sweep.plan import Plan, Point, SweepError, load_plan
from ndrite.sweep.results import Results
from ndrite.sweep.run import run_sweep

__all__ = ["Plan", "Point", "Results", "SweepError", "load_plan", "run_sweep"]
