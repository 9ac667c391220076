"""Measurement campaigns: virtual chips one after the other; the cells of each are
sampled, its samples are run and its votes are counted."""
