"""Fuzzing of what the host parses: targets, seeds, and a coverage-guided runner on
atheris (``make fuzz``).

May import every layer.
"""
