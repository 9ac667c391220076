"""What lowering has made so far: nodes, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.network import Node
from emulator.network.importing.function import Stretch
from emulator.network.importing.graph import Memory
from emulator.network.importing.span import Span
from emulator.spec.patches import Shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Entry:
    """What is known of a node: ``error`` of its table relative to its span; no span for sums."""

    node: str
    label: str
    channels: int
    span: Span | None
    stretch: Stretch | None = None
    error: float = 0.0


@dataclass(eq=False)
class Emitted:
    """The nodes made so far, with their entries and shapes of all maps; ``states``: memory, source, start."""

    shapes: list[Shape]
    nodes: list[Node] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    states: list[tuple[Memory, int, float]] = field(default_factory=list)

    def add(self, node: Node, entry: Entry) -> int:
        """Number of the node's map."""
        self.nodes.append(node)
        self.entries.append(entry)
        self.shapes.append(node.shape(self.shapes))
        return len(self.shapes) - 1
