"""A user's own files with the names of the repository's folders, which must
do ndrite no harm."""

from pathlib import Path

SCRIPT = """
import ndrite
x, labels = ndrite.networks.judging_set("fashion-mnist")
with ndrite.connect("golden:") as board:
    board.program(ndrite.load().program)
    print(ndrite.__file__, board.infer(x[:3], seed=7).shape)
"""


def write_decoys(folder: Path) -> Path:
    """Write host.py, emulator.py, hdl.py and a folder boards/, each failing on
    import; return a script."""
    (folder / "boards").mkdir()
    for name in ("host.py", "emulator.py", "hdl.py", "boards/__init__.py"):
        (folder / name).write_text("raise RuntimeError('a file of the user was imported')")
    (folder / "use.py").write_text(SCRIPT)
    return folder / "use.py"
