"""Every verb: one function a module, which `import ndrite` offers and which the command
of that name calls.

May import everything of ndrite but its shell.
"""
