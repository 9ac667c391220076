"""Description and computation of the chip: specification, physics, compiler and the bit-exact golden model.

Imports NumPy and SciPy only (PyTorch inside ``ndrite.emulator.learning.training``, lazily). Never imports
hdl, host, boards or ndrite.
"""
