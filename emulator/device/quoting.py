"""Quoting of a description's text for other languages: one function per language.

Names and descriptions come from files of other people. Loading refuses names that are
not one printable line (``ndrite.emulator.spec.errors.require_line``); these functions
hold whatever the text is. HTML has ``ndrite.emulator.spec.brief.text``. Nothing is
written for a shell.
"""

import re


def spice_word(text: str) -> str:
    """Return ``text`` as one word of a SPICE deck or of ngspice's control language,
    such as a file name or comment. Other characters become underscores.

    ngspice takes a line's end, spaces, quotes, ``;``, ``$``, backquotes (they run a
    shell), braces and brackets apart.
    """
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", text) or "_"


def verilog_comment(text: str) -> str:
    """Return ``text`` as one comment line of Verilog-A. Line ends and backslashes,
    which could end or continue the line, become spaces."""
    printable = "".join(c if c.isprintable() and c != "\\" else " " for c in text)
    return f"// {' '.join(printable.split())}"
