"""Cost of a chip, modelled: energy, latency and area of one inference, by component."""
