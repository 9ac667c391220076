"""job: what a descriptor asks for, as it passes from the ring to the runner."""

from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

JOB_LAYOUT = StructLayout(
    {
        "opcode": 8,
        "flags": 8,
        "reserved": 16,
        "count": 32,
        "source": 64,
        "destination": 64,
        "address": 32,
        "inputs": 16,
        "outputs": 16,
    }
)
"""A descriptor (``emulator.spec.pcie``), bit for bit as it lies in memory."""


class JobSignature(wiring.Signature):
    """The ring's side: ``job`` stands while ``run`` is up; ``done`` for one cycle, with its results.

    ``cancel`` (one cycle) ends the job without results; the runner is ``idle`` once nothing of it is left.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "job": Out(JOB_LAYOUT),
                "run": Out(1),
                "cancel": Out(1),
                "idle": In(1),
                "done": In(1),
                "status": In(8),
                "value": In(32),
            }
        )
