"""code: a digest of the modules that a function imports, so that a change of code makes
its results stale.

Modules are compared as syntax trees without docstrings: a comment or a line break
changes nothing. Parsing all of them takes seconds, so each tree's digest is remembered
in the user's cache by that of its source.
"""

import ast
import hashlib
import importlib.util
import json
import sys
from functools import cache
from pathlib import Path

from ndrite.boards.cache import folder
from ndrite.emulator.spec.files import whole_file

OWN = ("ndrite", "studies", "benchmarks", "tests")
"""Top-level packages whose modules are part of a code digest; of other packages only
the versions are noted beside results."""
PUBLIC = "ndrite"
"""The package's public module. It loads its verbs by name when they are used, so
importing it does not import them."""
Parsed = list[str]
"""Digest of a module's tree, and the modules that it names in imports."""


@cache
def code_digest(module: str) -> str:
    """Return the SHA-256, hexadecimal, of ``module`` together with every module of this
    package that it imports, directly or indirectly."""
    modules = _modules(module)
    lines = (f"{name} {modules[name][0]}\n" for name in sorted(modules))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def modules_of(module: str) -> list[str]:
    """Return the names of this package's modules that ``module`` needs, including
    itself and the packages that contain them."""
    return sorted(_modules(module))


@cache
def _modules(module: str) -> dict[str, Parsed]:
    # A digest depends on the parser and on how this module uses it.
    parser = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes()).hexdigest()
    note = folder("code") / f"{parser[:16]}.json"
    try:
        parsed_of: dict[str, Parsed] = json.loads(note.read_text())
    except (OSError, ValueError):
        parsed_of = {}
    remembered, modules, waiting = len(parsed_of), dict[str, Parsed](), [module]
    while waiting:
        name = waiting.pop()
        if name in modules or name == PUBLIC or name.partition(".")[0] not in OWN:
            continue
        source = _source(name)
        if source is not None:
            key = hashlib.sha256(source).hexdigest()
            modules[name] = parsed_of[key] if key in parsed_of else parsed_of.setdefault(key, _parsed(source))
            waiting += [name.rpartition(".")[0], *modules[name][1:]]
    if len(parsed_of) > remembered:
        with whole_file(note) as file:
            file.write(json.dumps(parsed_of).encode())
    return modules


def _source(module: str) -> bytes | None:
    """Return the source of a module, or None for a name that is not a module, such as a
    function imported from one."""
    top, *inner = module.split(".")
    for root in _roots(top):
        path = root.joinpath(*inner)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file.read_bytes()
    return None


@cache
def _roots(top: str) -> tuple[Path, ...]:
    """Return the folders in which a top-level package lies, without importing the package."""
    spec = importlib.util.find_spec(top)
    return () if spec is None else tuple(map(Path, spec.submodule_search_locations or ()))


def _parsed(source: bytes) -> Parsed:
    tree, imports = ast.parse(source), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    our_imports = sorted(name for name in imports if name.partition(".")[0] in OWN)
    return [hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), *our_imports]


def _is_text(node: ast.stmt) -> bool:
    """Return whether a statement is only a string: the docstring of a function or
    class, or the description under a constant."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
