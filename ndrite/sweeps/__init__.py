"""Sweeps: grids over chip fields, seeds and networks, on Dask workers, resumable.

May import everything; Dask and PyArrow (the extra ``sweep``) only inside functions.
"""

from ndrite.sweeps.plan import Plan, Point, SweepError, load_plan, plan_of
from ndrite.sweeps.results import Results
from ndrite.sweeps.run import run_sweep

__all__ = ["Plan", "Point", "Results", "SweepError", "load_plan", "plan_of", "run_sweep"]
