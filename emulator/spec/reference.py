"""The register, memory and packet reference as Markdown, written from the tables the gateware is made of.

``python -m emulator.spec.reference > docs/reference.md`` renews the page; a test compares the two.
"""

from __future__ import annotations

import inspect

from emulator.spec import datagrams, memory_map, packets
from emulator.spec.datagrams import Kind
from emulator.spec.geometry import PRESETS
from emulator.spec.memory_map import DESCRIPTOR, REGION_SHIFT, REGIONS, region_words
from emulator.spec.packets import Opcode, Status
from emulator.spec.reference_pcie import pcie_parts, table
from emulator.spec.registers import PROTOCOL_MAJOR, PROTOCOL_MINOR, REGISTERS, register_map_hash


def _first_paragraphs(module: object) -> str:
    return inspect.cleandoc(inspect.getdoc(module) or "")


def reference() -> str:
    """The whole page, Markdown text ending in a newline."""
    presets = [
        [name, g.lanes, g.readouts, g.rows, g.weight_bits, g.accumulator_bits, sum(region_words(g).values())]
        for name, g in PRESETS.items()
    ]
    registers = [[f"0x{r.address:02x}", f"`{r.name}`", r.access, r.text] for r in REGISTERS]
    fields = [
        [f"`{name}`", word, f"{low + width - 1}..{low}"] for name, (word, low, width) in DESCRIPTOR.items()
    ]
    regions = [[f"`{name}`", number, f"0x{number << REGION_SHIFT:08x}"] for name, number in REGIONS.items()]
    opcodes = [[o.value, f"`{o.name}`", _member_text(Opcode, o.name)] for o in Opcode]
    statuses = [[s.value, f"`{s.name}`"] for s in Status]
    kinds = [[f"0x{k.value:02x}", f"`{k.name}`", _member_text(Kind, k.name)] for k in Kind]
    parts = [
        "# Register, memory and packet reference",
        (
            "Written by `python -m emulator.spec.reference` from the tables that also make the gateware "
            "and the driver. Do not edit."
        ),
        f"Protocol {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}, register map `0x{register_map_hash():08x}`.",
        "## Packets",
        _first_paragraphs(packets),
        "### Opcodes",
        table(["code", "name", "meaning"], opcodes),
        "### Status",
        table(["code", "name"], statuses),
        "## Datagrams",
        _first_paragraphs(datagrams),
        table(["code", "kind", "from and what"], kinds),
        "## Registers",
        "32-bit words in region 0; `ro` driven by the gateware, `rw` held, `wo` act on a write.",
        table(["address", "name", "access", "meaning"], registers),
        "## Memory map",
        "```text\n" + _first_paragraphs(memory_map) + "\n```",
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


def _member_text(cls: type[Opcode] | type[Kind], name: str) -> str:
    """The string under a member in the class body, on one line."""
    lines = inspect.getsource(cls).split(f"    {name} = ", 1)[1].split('"""', 2)
    return " ".join(lines[1].split())


if __name__ == "__main__":
    print(reference(), end="")
