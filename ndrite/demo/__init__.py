"""What `ndrite demo` shows: a neuron's curve, where the accuracy goes, and the picture of both."""
