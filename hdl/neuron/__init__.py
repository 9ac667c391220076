"""Bias, second operand, scale and curve: one column a cycle, or a whole step of readout."""
