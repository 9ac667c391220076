"""The converters: P columns per cycle from the array get noise added, are scaled,
clipped and summed over row tiles."""
