"""Execute every notebook in an empty folder: ``python examples/notebooks/run.py``; exit
code 1 when a cell fails."""

import os
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Run them in order, print one line each."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ModuleNotFoundError:
        print("notebooks need: pip install 'ndrite[notebooks]'", file=sys.stderr)
        return 2
    # The command that a cell runs is the one installed beside this Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        notebook, start = nbformat.read(path, as_version=4), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}})
            try:
                client.execute()
            except CellExecutionError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                return 1
        cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        print(f"{path.name}: {cells} cells ran in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
