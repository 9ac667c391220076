"""Tests, mirroring the tree. A regular package, so that no installed `tests` can shadow it."""
