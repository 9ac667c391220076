"""The part of ``emulator.spec.reference`` that is about PCIe."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from emulator.spec import PRESETS, pcie


def pcie_parts() -> list[str]:
    """Paragraphs of Markdown, under a heading of the second level."""
    registers = [
        (f"0x{pcie.engine_offset(r.name):04x}", f"`{r.name}`", r.access, r.text)
        for r in pcie.ENGINE_REGISTERS
    ]
    errors = [(error.value, f"`{error.name}`", _member_text(error.name)) for error in pcie.EngineError]
    sizes = [(name, pcie.region_bytes(g), pcie.bar_bytes(g)) for name, g in PRESETS.items()]
    identity = [
        ("vendor", f"0x{pcie.VENDOR_ID:04x}"),
        ("device", f"0x{pcie.DEVICE_ID:04x}"),
        ("class", f"0x{pcie.CLASS_CODE:06x}"),
        ("descriptor bytes", pcie.DESCRIPTOR_BYTES),
        ("record bytes", pcie.RECORD_BYTES),
        ("alignment of bus addresses", pcie.ALIGNMENT),
    ]
    return [
        "## PCIe",
        "```text\n" + inspect.cleandoc(pcie.__doc__ or "") + "\n```",
        "### Identity and layout",
        table(("what", "value"), identity),
        "### Engine registers",
        "32-bit words in BAR0.",
        table(("byte", "name", "access", "meaning"), registers),
        "### Errors that halt the engine",
        table(("code", "name", "meaning"), errors),
        "### BAR0 by geometry",
        table(("preset", "bytes a region", "bytes in all"), sizes),
    ]


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of Markdown; bars in its cells are escaped."""
    titles = list(head)
    lines: list[Iterable[object]] = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |" for line in lines)


def _member_text(name: str) -> str:
    """The string under a member of ``EngineError``, on one line; empty where there is none."""
    source = inspect.getsource(pcie.EngineError)
    after = source.split(f"    {name} = ", 1)[1].split("\n", 1)[1].lstrip()
    return " ".join(after.split('"""')[1].split()) if after.startswith('"""') else ""
