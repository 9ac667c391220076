"""turns: what a schedule of keys and roots hears, and the turns it hands to the samples."""

from amaranth import Module
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from emulator.spec.noise import DOMAIN_READ, KEY_WORD_BITS
from hdl.noise.pass_key import PassKey
from hdl.parts.layouts import energy_shape, noise_layout

KEY_BITS = 2 * KEY_WORD_BITS


def turn_layout(geometry: Geometry) -> StructLayout:
    """The columns of a pass, and its key."""
    passes = noise_layout(geometry).members
    columns = {name: passes[name] for name in ("first_column", "columns")}
    return StructLayout(columns | {"key": KEY_BITS})


def schedule_ports(geometry: Geometry) -> dict[str, wiring.Member]:
    """Ports of a schedule: passes and energies in, in step with each other; sigmas and turns out."""
    return {
        "passes": In(stream.Signature(noise_layout(geometry))),
        "energies": In(stream.Signature(energy_shape(geometry))),
        "seed": In(64),
        "stream": In(32),
        "sigmas": Out(stream.Signature(16)),
        "turns": Out(stream.Signature(turn_layout(geometry))),
    }


def draw_key(m: Module, schedule: wiring.PureInterface, key: PassKey, slice_of: Value) -> None:
    """``key`` takes what read noise of the pass on offer is drawn from; ``slice_of``: three bits."""
    now = schedule.passes.payload
    m.d.comb += [
        key.seed.eq(schedule.seed),
        key.domain.eq(DOMAIN_READ),
        key.stream.eq(schedule.stream),
        key.inference.eq(now.inference),
        key.counter[:8].eq(slice_of),
        key.counter[8:18].eq(now.tile),
        key.counter[24:].eq(now.layer),
    ]
