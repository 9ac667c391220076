"""Mutants: single-line faults and the tests that must find them. Imports nothing of the product.

``python -m tests.trust.mutants.run`` puts each into a copy of the tree and runs its tests (`make mutants`).
"""
