"""What is drawn: figures, and one self-contained page about one program."""
