"""What a chip costs, modelled: energy, latency and area of one inference, by component."""
