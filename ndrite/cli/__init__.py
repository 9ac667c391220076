"""The command line, one file per command, each imported only when it is called so that help is quick.

Imports click, rich and the whole of ndrite.
"""

from ndrite.cli.main import main

__all__ = ["main"]
