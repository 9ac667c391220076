"""master: what a link does to the machine."""

from __future__ import annotations

from amaranth import signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.bus import BusSignature
from hdl.layouts import start_layout


class MasterSignature(wiring.Signature):
    """A link's hold on the machine (flip on the machine's side).

    It masters ``bus``, loads input codes, starts inferences and reads results as ``hdl.core.Core`` has it.
    While ``campaign_busy`` the core is the campaign's and takes no start. ``bank`` is that of the link's
    next inference; it alternates with every inference, its own and the campaign's (``campaign_started``).
    ``done`` ends one of the link's inferences, ``campaign_done`` one of the campaign's. ``programmed``:
    the program tag is not 0. ``hung`` for one cycle: the core was reset, every inference under way is lost,
    the next one's bank is 0 again.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(
            {
                "bus": Out(BusSignature()),
                "load": Out(1),
                "load_address": Out(bits_for(2 * geometry.max_inputs - 1)),
                "load_data": Out(8),
                "start": Out(stream.Signature(start_layout())),
                "bank": Out(1),
                "done": In(1),
                "inputs": In(16),
                "outputs": In(16),
                "result_address": Out(bits_for(2 * geometry.max_outputs - 1)),
                "result_data": In(signed(32)),
                "programmed": In(1),
                "campaign_busy": In(1),
                "campaign_started": In(1),
                "campaign_done": In(1),
                "hung": In(1),
            }
        )
