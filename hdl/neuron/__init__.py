"""Neurons: they add bias and second operand, scale, and apply the curve, for one column
per cycle or for a whole readout step."""
