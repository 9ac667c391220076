"""host_interface: what the host does to the accelerator, through any link; codes into the core's banks."""

from amaranth import Cat, signed
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Flow, In, Member, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.banks import bank_bits
from ndrite.hdl.parts.bus import BusSignature
from ndrite.hdl.parts.layouts import start_layout


def load_members(g: Geometry, flow: Flow) -> dict[str, Member]:
    """The ports that load codes. ``load``: which codes of the word at ``load_address`` are taken from
    ``load_data``; a word is as many as the geometry loads in a cycle. Addresses have the bank above.
    """
    return {
        "load": flow(g.load_codes),
        "load_address": flow(bits_for(g.banks * g.max_inputs // g.load_codes - 1)),
        "load_data": flow(8 * g.load_codes),
    }


def load_one(
    g: Geometry, *, valid: Value, index: Value, bank: Value, code: Value
) -> tuple[Value, Value, Value]:
    """``load``, ``load_address`` and ``load_data`` for one code, the ``index``-th of ``bank``'s inputs."""
    low = exact_log2(g.load_codes)
    where = Cat(index[low : exact_log2(g.max_inputs)], bank)
    if low == 0:
        return valid, where, code
    return valid << index[:low], where, code.replicate(g.load_codes)


def host_interface(geometry: Geometry) -> wiring.Signature:
    """A link's port to the accelerator (flip on the accelerator's side), named ``master`` on both.

    It masters ``bus``, loads input codes, starts inferences and reads results as any core has it.
    While ``campaign_busy`` the core is the campaign's and takes no start. ``bank`` is that of the link's
    next inference; every inference takes the next bank, its own and the campaign's (``campaign_started``).
    ``done`` ends one of the link's inferences, ``campaign_done`` one of the campaign's; ``input_done``, where
    inferences overlap, says that the bank of the link's oldest one may be loaded again. ``programmed``:
    the program tag is not 0. ``hung`` while the core is in reset, which the watchdog or a reset of the whole
    began: every inference under way is lost, the next one's bank is 0 again, and none may be started.
    ``walking``: the program is no chain; a sample's codes then go to ``sample_*`` (those of a word of eight
    that ``load`` marks are ``code``), but not while one is ``copying``, and one is under way at a time.
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
