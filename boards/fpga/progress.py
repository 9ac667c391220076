"""Where place and route is, from what nextpnr has said so far."""

from __future__ import annotations

import re

ENOUGH = 4096
"""So many bytes of the end of a log hold what is under way."""

_ARCS = re.compile(r"Routing (\d+) arcs\.")
_ROUTED = re.compile(r"^Info:\s+\d+ \|.*\|\s*(\d+)\|[^|]*\|\s*$")
_PLACED = re.compile(r"at iteration #(\d+), type \w+: wirelen")
_REFINED = re.compile(r"at iteration #(\d+): temp =")
_STEPS = {"Packing": "packing", "Routing globals": "routing clocks", "Critical path report": "timing"}


def under_way(said: str) -> str:
    """A few words about the last line of nextpnr's log that tells where it is; empty when none does."""
    for line in reversed(said.splitlines()):
        if found := _ROUTED.search(line):
            return f"routing, {int(found[1]):,} arcs left"
        if found := _ARCS.search(line):
            return f"routing, {int(found[1]):,} arcs left"
        if found := _REFINED.search(line):
            return f"refining the placement, round {found[1]}"
        if found := _PLACED.search(line):
            return f"placing, round {found[1]}"
        for start, words in _STEPS.items():
            if line.startswith(f"Info: {start}"):
                return words
    return ""
