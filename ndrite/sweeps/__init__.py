"""Sweeps: grids over chip fields, seeds and networks, on local workers, resumable."""
