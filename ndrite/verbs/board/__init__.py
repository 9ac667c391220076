"""What is done to boards: FPGAs, and the simulated ones."""
