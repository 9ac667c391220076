"""What a check can say about prose: sentences that are too long, words that say nothing, names spelled wrong.

No linter for prose installs whole from the package index: the package `vale` fetches its program from
elsewhere.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

LONGEST = 40
"""Words of a sentence."""
EMPTY = (
    "basically|obviously|simply|just works|seamless(?:ly)?|robust(?:ly)?|cutting[- ]edge|"
    "state[- ]of[- ]the[- ]art|blazing(?:ly)?|powerful|leverage[sd]?|utili[sz]e[sd]?|in order to|"
    "very|it should be noted|please note|world[- ]class|game[- ]chang\\w+"
)
"""Words that say nothing, or praise."""
SPELLED = {
    r"\bPytorch\b|\bpyTorch\b": "PyTorch",
    r"\bNumpy\b|\bnumpy\b": "NumPy",
    r"\bFashionMNIST\b|\bFashion MNIST\b": "Fashion-MNIST",
    r"\bdatasets?\b": "data set",
    r"\bbitfiles?\b|\bbit streams?\b": "bitstream",
    r"\bquantiz|\bnormaliz|\binitializ|\bserializ|\bsynthesiz|\boptimiz": "British -is-",
    r"\bcolor(?:s|ed)?\b|\bbehavior\b|\bcenter(?:s|ed)?\b": "British spelling",
    r"\bECRam\b|\bEcram\b|\becram\b": "ECRAM",
    r"\bRram\b|\brram\b|\bReRAM\b": "RRAM",
    r"\bUart\b|\bPcie\b|\bPCIE\b": "UART, PCIe",
    r"\bOnnx\b|(?<![.\w])onnx\b(?!\.)": "ONNX",
}
"""What is wrong -> what is right."""


def sentences(markdown: str) -> Iterator[str]:
    """The sentences of a page: no code, tables, headings, comments or addresses."""
    text = markdown.replace("``", "`") if "```" not in markdown else markdown
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"^(?: {4}|\||#|:::|>>>).*$", "", text, flags=re.M)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`\n]*(?:\n[^`\n]*)?`", "CODE", text)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        joined = " ".join(paragraph.replace("**", "").split())
        yield from (s for s in re.split(r"(?<=[.!?:])\s+(?=[A-Z(\"*\d]|ndrite )", joined) if s)


def docstrings(source: str) -> Iterator[str]:
    """The first paragraphs of every docstring of a module: what is said before sections and examples."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            # Sections, what click prints as it stands, tables and addresses are no prose.
            said = re.split(r"\n\w+\n-{3,}|\x08|^\s*>>>", text, flags=re.M)[0]
            yield re.sub(r"^=+ +=[= ]*$.*^=+ +=[= ]*$|https?://\S+", "", said, flags=re.M | re.S)


def findings(text: str) -> list[str]:
    """What is wrong with a page's prose, one line each."""
    found = []
    for sentence in sentences(text):
        words = [word for word in sentence.split() if re.search(r"[A-Za-z]", word)]
        if len(words) > LONGEST:
            found.append(f"{len(words)} words: {sentence}")
        for match in re.finditer(rf"\b(?:{EMPTY})\b", sentence, re.I):
            found.append(f"{match[0]!r} says nothing: {sentence}")
        for wrong, right in SPELLED.items():
            for match in re.finditer(wrong, sentence):
                found.append(f"{match[0]!r}, right is {right}: {sentence}")
    return found


def pages(root: Path) -> list[Path]:
    """README and every page of the documentation."""
    return sorted([root / "README.md", *(root / "docs").rglob("*.md")])
