"""The command line: verbs become commands, results tables, errors a line. Imports click and rich."""

from ndrite.shell.main import main

__all__ = ["main"]
