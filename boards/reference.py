"""The register, memory and packet reference as Markdown, written from the tables the
gateware is made of.

``python -m ndrite.boards.reference`` prints it; ``make docs`` puts it onto the site.
"""

import inspect
from collections.abc import Iterable

from ndrite.emulator.spec import datagrams, memory_map, packets, pcie
from ndrite.emulator.spec.datagrams import Kind
from ndrite.emulator.spec.geometry import PRESETS
from ndrite.emulator.spec.memory_map import DESCRIPTOR, REGION_SHIFT, REGIONS, region_words
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import (
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    REGISTER_MAP,
    REGISTERS,
    WALKING_MAP,
)


def reference() -> str:
    """Return the whole page of the register and packet reference, as Markdown text that
    ends in a newline."""
    presets = [
        [name, g.lanes, g.readouts, g.rows, g.weight_bits, g.accumulator_bits, sum(region_words(g).values())]
        for name, g in PRESETS.items()
    ]
    registers = [[f"0x{r.address:02x}", f"`{r.name}`", r.access, r.text] for r in REGISTERS]
    fields = [
        [f"`{name}`", word, f"{low + width - 1}..{low}"] for name, (word, low, width) in DESCRIPTOR.items()
    ]
    regions = [[f"`{name}`", number, f"0x{number << REGION_SHIFT:08x}"] for name, number in REGIONS.items()]
    opcodes = [[o.value, f"`{o.name}`", _member_text(o)] for o in Opcode]
    statuses = [[s.value, f"`{s.name}`"] for s in Status]
    kinds = [[f"0x{k.value:02x}", f"`{k.name}`", _member_text(k)] for k in Kind]
    parts = [
        "# Register, memory and packet reference",
        (
            "Written by `python -m ndrite.boards.reference` from the tables that also make the gateware "
            "and the driver. Do not edit."
        ),
        (
            f"Protocol {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}, register map `0x{REGISTER_MAP:08x}`, "
            f"with feature maps `0x{WALKING_MAP:08x}`."
        ),
        "## Packets",
        str(inspect.getdoc(packets)),
        "### Opcodes",
        table(["code", "name", "meaning"], opcodes),
        "### Status",
        table(["code", "name"], statuses),
        "## Datagrams",
        str(inspect.getdoc(datagrams)),
        table(["code", "kind", "from and what"], kinds),
        "## Registers",
        "32-bit words in region 0; `ro` driven by the gateware, `rw` held, `wo` act on a write.",
        table(["address", "name", "access", "meaning"], registers),
        "## Memory map",
        "```text\n" + str(inspect.getdoc(memory_map)) + "\n```",
        "### Regions",
        table(["region", "number", "first address"], regions),
        "### Layer descriptor",
        table(["field", "word", "bits"], fields),
        "## Geometry presets",
        table(
            ["preset", "lanes", "readouts", "tile rows", "weight bits", "accumulator bits", "memory words"],
            presets,
        ),
        *pcie_parts(),
    ]
    return "\n\n".join(parts) + "\n"


def _member_text(member: Opcode | Kind | pcie.EngineError) -> str:
    """Return the docstring below an enumeration member in its class body, on one line;
    empty if there is none."""
    source = inspect.getsource(type(member))
    after = source.split(f"    {member.name} = ", 1)[1].split("\n", 1)[1].lstrip()
    return " ".join(after.split('"""')[1].split()) if after.startswith('"""') else ""


def pcie_parts() -> list[str]:
    """Return the paragraphs of the PCIe section, Markdown under a heading of
    the second level."""
    registers = [
        (f"0x{pcie.engine_offset(r.name):04x}", f"`{r.name}`", r.access, r.text)
        for r in pcie.ENGINE_REGISTERS
    ]
    errors = [(error.value, f"`{error.name}`", _member_text(error)) for error in pcie.EngineError]
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
        "```text\n" + str(inspect.getdoc(pcie)) + "\n```",
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
    """Format a Markdown table; bars in its cells are escaped."""
    titles = list(head)
    lines: list[Iterable[object]] = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |" for line in lines)


if __name__ == "__main__":
    print(reference(), end="")
