"""The converters: P columns a cycle from the array, noise added, scaled, clipped and summed over tiles."""
