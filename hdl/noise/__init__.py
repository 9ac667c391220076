"""Read noise: Gaussian samples from counters, the scale of each pass, and the schedules
that compute both."""
