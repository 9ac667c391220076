"""``python -m ndrite``: the command line, where the script is not on the PATH."""

from ndrite.shell.main import main

if __name__ == "__main__":
    main()
