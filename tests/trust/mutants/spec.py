"""The contract of gateware and host: files, bounds, memory map, schedule."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

FILES = ("tests/emulator/spec/test_files.py",)

MUTANTS = (
    Mutant(
        "emulator/spec/files.py",
        "    except BaseException:\n        partial.unlink(missing_ok=True)\n",
        "    except BaseException:\n",
        "half of a file is left behind",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py", "0o666 if there is None else 0o600", "0o600", "a new file is private", FILES
    ),
    Mutant(
        "emulator/spec/files.py",
        "os.chmod(partial, stat.S_IMODE(there.st_mode))",
        "pass",
        "a file loses its mode",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py",
        "target = Path(os.path.realpath(path))",
        "target = path",
        "a link is replaced",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py",
        "        yield buffer\n",
        "        with contextlib.suppress(RuntimeError):\n            yield buffer\n",
        "a pipe gets half of what failed",
        FILES,
    ),
    Mutant(
        "emulator/spec/files.py",
        "if error.errno in FULL and error.filename is None:",
        "if False:",
        "a full disk names no file",
        FILES,
    ),
)
