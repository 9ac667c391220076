"""Neurons: bias, second operand, scale and curve, for one column per cycle or a whole step of readout."""
