"""The gateware, written in Amaranth: one component per block of the golden model, plus
link, bus and top components.

Imports Amaranth and ndrite.emulator.spec only; never host, boards, ndrite or the
rest of emulator. Sub-packages import from the steps below theirs only, never
from one beside them:

    tops | pcie
    device | ethernet
    small
    core
    campaign | control | learn | walk
    readout | neuron
    array | noise | maps | link
    parts
    tracer
"""

import ndrite.hdl.tracer  # noqa: F401
