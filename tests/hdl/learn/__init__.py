"""Learning gateware against its golden twins."""
