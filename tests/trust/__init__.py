"""Trust: faults, fuzz, upsets. May import every layer; long runs scale with NDRITE_TRUST."""
