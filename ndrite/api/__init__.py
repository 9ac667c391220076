"""What `import ndrite` offers, one task a file; the commands parse their options and call the same functions.

May import everything of ndrite but its command line.
"""
