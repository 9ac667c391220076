"""Pictures and pages: figures, and one self-contained page about one program."""
