"""Where place and route is, from what nextpnr has said so far."""

import re

ENOUGH = 4096
"""So many bytes of the end of a log hold what is under way."""

_STEPS = (
    (re.compile(r"^Info:\s+\d+ \|.*\|\s*(\d+)\|[^|]*\|\s*$"), "routing, {:,} arcs left"),
    (re.compile(r"Routing (\d+) arcs\."), "routing, {:,} arcs left"),
    (re.compile(r"at iteration #(\d+): temp ="), "refining the placement, round {}"),
    (re.compile(r"at iteration #(\d+), type \w+: wirelen"), "placing, round {}"),
    (re.compile(r"^Info: Packing"), "packing"),
    (re.compile(r"^Info: Routing globals"), "routing clocks"),
    (re.compile(r"^Info: Critical path report"), "timing"),
)
"""What a line looks like, and the words for it and its number."""


def under_way(said: str) -> str:
    """A few words about the last line of nextpnr's log that tells where it is; empty when none does."""
    for line in reversed(said.splitlines()):
        for pattern, words in _STEPS:
            if found := pattern.search(line):
                return words.format(*map(int, found.groups()))
    return ""
