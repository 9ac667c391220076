"""Description and computation of a chip: the specification, device physics, the
compiler and the bit-exact golden model.

Imports NumPy and SciPy only (PyTorch inside ``ndrite.emulator.learning.training``,
lazily). Never imports hdl, host, boards or ndrite.
"""
