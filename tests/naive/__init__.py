"""Models that share no code with the product: what it computes, once more and plainly."""
