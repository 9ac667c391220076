"""The converters: P columns per cycle from the array get noise, are scaled, clipped and summed over tiles."""
