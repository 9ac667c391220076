"""Small changes of a Python file, each of which a test should notice.

Operators and comparisons are swapped, numbers are one more, conditions are negated,
keyword arguments, signs and statements are left out, min and max change places. Left as
they are: texts, and so all that a refusal or a warning says; annotations, decorators,
`strict` and `encoding`, which change no result here.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SWAPPED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: (r"\*\*", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: (r"\|", "&"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
"""Operator -> the pattern of its text, and what takes its place."""
NAMES = {"min": "max", "minimum": "maximum", "floor": "ceil", "any": "all", "argmin": "argmax"}
NAMES |= {other: name for name, other in NAMES.items()}
REFUSALS = {"require", "_require", "warn", "Option", "Annotated", "Literal", "Field"}
"""Calls and types of which the first argument alone can be changed, where it is a condition."""
KEPT_KEYWORDS = {"strict", "encoding"}


@dataclass(frozen=True)
class Change:
    """In ``file`` the bytes ``start``..``stop`` become ``new``; ``what`` is that in words."""

    file: str
    line: int
    start: int
    stop: int
    new: str
    what: str
    text: str
    """The line of the file, which names the change where lines have moved."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what} in: {self.text}"

    def made(self, source: bytes) -> bytes:
        """The file's content with the change."""
        return source[: self.start] + self.new.encode() + source[self.stop :]


def changes_of(tree: Path, file: str) -> list[Change]:
    """Every change of a file of ``tree``, in its order."""
    found = set(_File(file, (tree / file).read_bytes()).changes())
    return sorted(found, key=lambda c: (c.start, c.stop, c.new))


@dataclass(frozen=True)
class _File:
    name: str
    source: bytes

    @cached_property
    def starts(self) -> list[int]:
        starts = [0]
        for line in self.source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def text(self, node: ast.expr | ast.stmt) -> str:
        start, stop = self.span(node)
        return self.source[start:stop].decode()

    def change(self, start: int, stop: int, new: str, what: str = "", at: int | None = None) -> Change:
        line = self.source.count(b"\n", 0, start if at is None else at) + 1
        text = self.source[self.starts[line - 1] : self.starts[line]].decode().strip()
        what = what or f"{' '.join(self.source[start:stop].decode().split())} -> {new}"
        return Change(self.name, line, start, stop, new, what, text)

    def instead(self, node: ast.expr | ast.stmt, new: str) -> Change:
        return self.change(*self.span(node), new)

    def negated(self, node: ast.expr) -> Iterator[Change]:
        """A condition negated, unless a change of its operator is the same."""
        both = ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], both)):
            yield self.change(*self.span(node), f"not ({self.text(node)})", "condition negated")

    def changes(self) -> Iterator[Change]:
        for node in ast.parse(self.source).body:
            if isinstance(node, ast.If):  # type checkers' imports, a module that is run
                continue
            yield from self._of(node, in_function=False)

    def _of(self, node: ast.AST, in_function: bool) -> Iterator[Change]:
        if isinstance(node, ast.stmt):
            yield from self._statement(node, in_function)
        elif isinstance(node, ast.expr):
            yield from self._expression(node)
        if isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from self.negated(test)
        in_function |= isinstance(node, ast.FunctionDef | ast.Lambda)
        for child in self._children(node, in_function):
            yield from self._of(child, in_function)

    def _children(self, node: ast.AST, in_function: bool) -> Iterator[ast.AST]:
        """What changes are looked for in, of all that a node has."""
        if isinstance(node, ast.Raise | ast.JoinedStr):
            return
        if isinstance(node, ast.FunctionDef) and self.text(node).endswith("..."):
            return  # a protocol's
        if isinstance(node, ast.Call | ast.Subscript):
            name = node.func if isinstance(node, ast.Call) else node.value
            if getattr(name, "attr", getattr(name, "id", "")) in REFUSALS:
                first = node.args[:1] if isinstance(node, ast.Call) else []
                yield from (arg for arg in first if not isinstance(arg, ast.Constant))
                return
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and not in_function:
            return  # a union of types
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
                continue
            for child in value if isinstance(value, list) else [value]:
                kept = isinstance(child, ast.keyword) and child.arg in KEPT_KEYWORDS
                # NumPy takes any number below 0 for the size that is left.
                kept |= isinstance(child, ast.UnaryOp) and self.text(child) == "-1" and _is_reshape(node)
                if isinstance(child, ast.AST) and not kept:
                    yield child

    def _statement(self, node: ast.stmt, in_function: bool) -> Iterator[Change]:
        if isinstance(node, ast.If | ast.While):
            yield from self.negated(node.test)
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        placed = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
        if in_function and (called or placed or isinstance(node, ast.AugAssign)):
            yield self.change(*self.span(node), "pass", "statement left out")
        if isinstance(node, ast.AugAssign):
            yield from self._between(node.target, node.op, node.value)

    def _between(self, left: ast.expr, op: ast.AST, right: ast.expr) -> Iterator[Change]:
        """The change of an operator, whose place is between two operands."""
        pattern, new = SWAPPED.get(type(op), ("", ""))
        start, stop = self.span(left)[1], self.span(right)[0]
        place = re.search(pattern, self.source[start:stop].decode()) if pattern else None
        texts = [n for n in (left, right) if isinstance(n, ast.JoinedStr) or _is_text(n)]
        if place and not (isinstance(op, ast.Add | ast.Mod) and texts):
            yield self.change(start + place.start(), start + place.end(), new)

    def _expression(self, node: ast.expr) -> Iterator[Change]:
        match node:
            case ast.Compare():
                terms = [node.left, *node.comparators]
                for left, op, right in zip(terms, node.ops, terms[1:], strict=False):
                    yield from self._between(left, op, right)
            case ast.BinOp():
                yield from self._between(node.left, node.op, node.right)
            case ast.BoolOp():
                yield from self._between(node.values[0], node.op, node.values[1])
            case ast.UnaryOp(op=ast.Not() | ast.USub()) if not isinstance(node.operand, ast.Constant):
                yield self.instead(node, f"({self.text(node.operand)})")
            case ast.IfExp():
                yield from self.negated(node.test)
            case ast.Constant(value=bool() as value):
                yield self.instead(node, repr(not value))
            case ast.Constant(value=int() | float() as value):
                yield self.instead(node, repr(value + 1))
            case ast.Call():
                yield from self._call(node)

    def _call(self, node: ast.Call) -> Iterator[Change]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else self.text(node.func)
        if name in REFUSALS:
            return
        if name in NAMES:
            stop = self.span(node.func)[1]
            yield self.change(stop - len(name), stop, NAMES[name])
        for keyword in node.keywords:
            if keyword.arg not in KEPT_KEYWORDS | {None}:
                others = [other for other in node.keywords if other is not keyword]
                new = ast.unparse(ast.Call(node.func, node.args, others))
                at = self.span(keyword)[0]
                yield self.change(*self.span(node), new, f"without {keyword.arg}=", at)


def _is_reshape(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "reshape"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
