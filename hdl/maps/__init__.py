"""Buffers between layers: input and activation rows, counts of the rows that are
complete, and logits."""
