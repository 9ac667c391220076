"""Verilator's ``OBJCACHE``: runs the compiler it is given, and keeps what came of
Verilator's own sources.

They are a third of the compiling of a bench, and the same for all of them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ndrite.boards.cache import is_whole, seal


def main(command: list[str]) -> int:
    """The compiler's exit status; nothing is compiled that the same command made before."""
    if not any(word.startswith(os.environ["VERILATOR_ROOT"]) and word.endswith(".cpp") for word in command):
        return subprocess.call(command)
    target = Path(command[command.index("-o") + 1])
    kept = Path(os.environ["NDRITE_OBJECTS"]) / hashlib.sha256("\0".join(command).encode()).hexdigest()
    if not is_whole(kept):
        if status := subprocess.call(command):
            return status
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(target, partial)
        seal(partial, kept)
    else:
        shutil.copyfile(kept, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
