"""Where codes and results lie between layers: input and activation rows, what of them is written, logits."""
