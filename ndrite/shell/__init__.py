"""The command line: verbs become commands, results become tables, and errors become a
single line. Imports click and rich."""

from ndrite.shell.main import main

__all__ = ["main"]
