"""Verilator's ``OBJCACHE``: runs the compiler it is given, and keeps what came of Verilator's own sources.

They are a third of the compiling of a bench, and the same for all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(command: list[str]) -> int:
    """The compiler's exit status; nothing is compiled that the same command made before."""
    if not any(word.startswith(os.environ["VERILATOR_ROOT"]) and word.endswith(".cpp") for word in command):
        return subprocess.call(command)
    target = Path(command[command.index("-o") + 1])
    kept = Path(os.environ["NDRITE_OBJECTS"]) / hashlib.sha256("\0".join(command).encode()).hexdigest()
    if not kept.exists():
        if status := subprocess.call(command):
            return status
        partial = kept.with_suffix(f".{os.getpid()}")
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(target, partial)
        partial.replace(kept)
    else:
        shutil.copyfile(kept, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
