"""host_interface: what the host does to the accelerator, through whichever link."""

from amaranth import signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import WORD_ROWS, Geometry
from hdl.parts.banks import bank_bits
from hdl.parts.bus import BusSignature
from hdl.parts.layouts import start_layout
from hdl.parts.loading import load_members


def host_interface(geometry: Geometry) -> wiring.Signature:
    """A link's port to the accelerator (flip on the accelerator's side), named ``master`` on both.

    It masters ``bus``, loads input codes, starts inferences and reads results as any core has it.
    While ``campaign_busy`` the core is the campaign's and takes no start. ``bank`` is that of the link's
    next inference; every inference takes the next bank, its own and the campaign's (``campaign_started``).
    ``done`` ends one of the link's inferences, ``campaign_done`` one of the campaign's; ``input_done``, where
    inferences overlap, says that the bank of the link's oldest one may be loaded again. ``programmed``:
    the program tag is not 0. ``hung`` while the watchdog resets the core: every inference under way is lost,
    the next one's bank is 0 again, and none may be started. ``walking``: the program is no chain; a sample's
    codes then go to ``sample_*`` (those of a word of eight that ``load`` marks are ``code``), but not while
    one is ``copying``, and one is under way at a time.
    """
    return wiring.Signature(
        {
            "bus": Out(BusSignature()),
            **load_members(geometry, Out),
            "start": Out(stream.Signature(start_layout(geometry))),
            "bank": Out(bank_bits(geometry)),
            "done": In(1),
            "inputs": In(16),
            "outputs": In(16),
            "result_address": Out(bits_for(geometry.banks * geometry.max_outputs - 1)),
            "result_data": In(signed(32)),
            "programmed": In(1),
            "campaign_busy": In(1),
            "campaign_started": In(1),
            "campaign_done": In(1),
            "hung": In(1),
        }
        | ({"input_done": In(1)} if geometry.overlap else {})
        | (
            {
                "walking": In(1),
                "copying": In(1),
                "sample_load": Out(WORD_ROWS),
                "sample_word": Out(bits_for(geometry.packet_bytes)),
                "sample_code": Out(8),
            }
            if geometry.map_codes
            else {}
        )
    )
