"""Noise-aware training in PyTorch (extra ``ndrite[train]``), the only place that imports it.

Imports torch, NumPy and emulator; import the submodules, this file stays free of torch.
"""
