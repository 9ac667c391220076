"""pass_schedule: keys and roots of passes, worked out ahead of their samples, and whose turn it is."""

from amaranth import Array, Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.noise import DOMAIN_READ, KEY_WORD_BITS
from ndrite.hdl.noise.pass_key import PassKey
from ndrite.hdl.noise.sigma import Sigma
from ndrite.hdl.parts.layouts import energy_shape, noise_layout
from ndrite.hdl.parts.ports import by_name
from ndrite.hdl.parts.queue import Queue

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


SCALE_LAYOUT = StructLayout({"noisy": 1, "variance_out": 32, "var_cell": 16})
"""What a pass's square root needs beside its energy."""


class PassSchedule(wiring.Component):
    """Each noisy pass in its turn to a key, which is handed on as ``turns``, and through a queue to a root.

    A pass without noise only takes its energy along. Throughput: ``noise_units`` passes in about 36 cycles,
    by as many keys and roots in turn. Resources: a Speck64/128 round and a square root each, about 170
    flip-flops.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.units = geometry.noise_units
        super().__init__(schedule_ports(geometry))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.scales = scales = Queue(SCALE_LAYOUT, 4)
        self._keys(m, scales)
        self._roots(m, scales)
        return m

    def _turn(self, m: Module, name: str, moves: Value) -> Signal:
        """Round-robin counter of units; ``moves`` advances it."""
        turn = Signal(range(self.units), name=name)
        if self.units > 1:
            m.d.sync += turn.eq(turn + moves)
        return turn

    def _keys(self, m: Module, scales: Queue) -> None:
        g, now = self.geometry, self.passes.payload
        keys = [PassKey() for _ in range(self.units)]
        key_accepted, handed, offered, keying = Signal(), Signal(), Signal(), Signal(self.units)
        taking = self._turn(m, "key_taking", key_accepted & now.noisy)
        giving = self._turn(m, "key_giving", handed)
        waits = now.noisy & keying.bit_select(taking, 1)
        _once(m, key_accepted, self.passes.valid & scales.i.ready & ~waits)
        done = Cat(key.done for key in keys)
        m.d.comb += [
            self.passes.ready.eq(key_accepted),
            scales.i.valid.eq(key_accepted),
            *by_name(scales.i.payload, now, *SCALE_LAYOUT.members),
            self.turns.valid.eq(offered),
            handed.eq(offered & self.turns.ready),
        ]
        m.d.sync += offered.eq((keying & done).bit_select(giving, 1) & ~handed)
        turns = []
        for j, key in enumerate(keys):
            m.submodules[f"key_{j}"] = key
            draw_key(m, self, key, now.slice)
            keyed = Signal(noise_layout(g), name=f"keyed_{j}", reset_less=True)
            m.d.comb += key.start.eq(key_accepted & now.noisy & (taking == j))
            with m.If(key.start):
                m.d.sync += [keying[j].eq(1), keyed.eq(now)]
            with m.Elif(handed & (giving == j)):
                m.d.sync += keying[j].eq(0)
            turn = Signal(turn_layout(g), name=f"turn_{j}")
            m.d.comb += by_name(turn, keyed, "first_column", "columns")
            m.d.comb += turn["key"].eq(key.key)
            turns.append(turn.as_value())
        m.d.sync += self.turns.payload.eq(Array(turns)[giving])

    def _roots(self, m: Module, scales: Queue) -> None:
        sigmas, energies, scale = self.sigmas, self.energies, scales.o.payload
        roots = [Sigma(self.geometry) for _ in range(self.units)]
        root_accepted, root_sent, rooting = Signal(), Signal(), Signal(self.units)
        taking = self._turn(m, "root_taking", root_accepted & scale.noisy)
        giving = self._turn(m, "root_giving", root_sent)
        _once(m, root_accepted, scales.o.valid & energies.valid & ~rooting.bit_select(taking, 1))
        m.d.comb += [
            # A pass without noise consumes its energy only, so that both queues stay in step.
            scales.o.ready.eq(root_accepted),
            energies.ready.eq(root_accepted),
            sigmas.valid.eq((rooting & Cat(root.done for root in roots)).bit_select(giving, 1)),
            sigmas.payload.eq(Array(root.sigma for root in roots)[giving]),
            root_sent.eq(sigmas.valid & sigmas.ready),
        ]
        for j, root in enumerate(roots):
            m.submodules[f"root_{j}"] = root
            rooted = Signal(SCALE_LAYOUT, name=f"rooted_{j}", reset_less=True)
            m.d.comb += [
                root.start.eq(root_accepted & scale.noisy & (taking == j)),
                *by_name(root, rooted, "variance_out", "var_cell"),
                root.energy.eq(energies.payload),
            ]
            with m.If(root.start):
                m.d.sync += [rooting[j].eq(1), rooted.eq(scale)]
            with m.Elif(root_sent & (giving == j)):
                m.d.sync += rooting[j].eq(0)


def _once(m: Module, late: Signal, condition: Value) -> None:
    """``late`` is up for one cycle, the one after ``condition``, which stays up until then.

    Keys and roots lie far apart on a full chip, and far from the queues that start them.
    """
    m.d.sync += late.eq(condition & ~late)
