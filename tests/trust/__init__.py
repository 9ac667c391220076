"""Trust: faults, fuzz, upsets, mutants. May import every layer; long runs scale with NDRITE_TRUST."""
