"""One self-contained page about one program, or two beside each other."""
