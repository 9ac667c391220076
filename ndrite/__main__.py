"""``python -m ndrite``: runs the command line if the script ``ndrite`` is not on the PATH."""

from ndrite.shell.main import main

if __name__ == "__main__":
    main()
