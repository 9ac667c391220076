"""Sweeps: grids over chip fields, seeds and networks, on Dask workers, resumable."""
