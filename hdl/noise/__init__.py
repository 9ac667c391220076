"""Read noise: Gaussian samples from counters, the scale of each pass, and two schedules to make them on."""
