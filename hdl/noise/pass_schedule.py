"""pass_schedule: computes noise keys and standard deviations one pass ahead of its columns."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.arithmetic import SIGMA_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.noise import DOMAIN_READ, KEY_ROTATE_X, KEY_ROTATE_Y, KEY_ROUNDS, KEY_WORD_BITS
from ndrite.hdl.parts.layouts import by_name, energy_shape, noise_layout
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import Queue, delayed

LOW_BITS = 12
"""Number of energy bits in the first of the two narrow products that are added."""


def sigma_latency(g: Geometry) -> int:
    """Return the number of cycles that ``Sigma`` takes from ``start`` to ``done``."""
    largest = SIGMA_MAX**2 + ((65535 * g.energy_max) >> 8)
    return -(-bits_for(largest) // 2) + 8


class Sigma(wiring.Component):
    """Computes sigma = min(65535, isqrt(variance_out + ((var_cell * S) >> 8))), one bit
    of the root per cycle.

    ``start`` for one cycle with the operands; ``done`` stays up from the result
    on until the next start. Latency: half the radicand's bits + 8 cycles (26 for
    the ``64-lane`` geometry). Resources: two multipliers (one where S fits 12
    bits), about 120 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        energy_bits = bits_for(geometry.energy_max)
        self.steps = sigma_latency(geometry) - 8
        super().__init__(
            {
                "start": In(1),
                "variance_out": In(32),
                "var_cell": In(16),
                "energy": In(energy_bits),
                "sigma": Out(16),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        steps = self.steps
        m.submodules.low = low = Multiplier(unsigned(16), unsigned(LOW_BITS))
        energy = Signal.like(self.energy)
        m.d.comb += [low.a.eq(self.var_cell), low.b.eq(energy[:LOW_BITS])]
        # A multiplier's output register is slow: one more register before the adder.
        partial_product: Value = delayed(m, low.product, 1, "low")
        if len(energy) > LOW_BITS:
            m.submodules.high = high = Multiplier(unsigned(16), unsigned(len(energy) - LOW_BITS))
            m.d.comb += [high.a.eq(self.var_cell), high.b.eq(energy[LOW_BITS:])]
            partial_product = partial_product + (delayed(m, high.product, 1, "high") << LOW_BITS)
        product = Signal(unsigned(16 + len(self.energy)))
        radicand = Signal(2 * steps)
        root = Signal(steps)
        remainder = Signal(steps + 2)
        before = MULTIPLY_LATENCY + 2
        count = Signal(range(before + steps + 3))
        # Restoring square root, two radicand bits a step: try to subtract 4 * root + 1.
        trial = Cat(radicand[-2:], remainder)
        candidate = Cat(1, 0, root)
        fits = trial >= candidate
        # ``adding``: this step adds up the variance; ``rooting``: it computes a bit of
        # the root. Both are decoded a cycle ahead.
        adding, rooting = Signal(), Signal()
        with m.If(self.start):
            m.d.sync += [self.done.eq(0), count.eq(0), root.eq(0), remainder.eq(0), energy.eq(self.energy)]
            m.d.sync += [adding.eq(1), rooting.eq(0)]
        with m.Elif(~self.done):
            m.d.sync += count.eq(count + 1)
            m.d.sync += [
                adding.eq(count < before),
                rooting.eq((count >= before) & (count < before + steps)),
            ]
            m.d.sync += product.eq(partial_product)
            with m.If(adding):
                m.d.sync += radicand.eq(self.variance_out + (product >> 8))
            with m.Elif(rooting):
                m.d.sync += [
                    radicand.eq(radicand << 2),
                    remainder.eq(Mux(fits, trial - candidate, trial)),
                    root.eq(Cat(fits, root)),
                ]
            with m.Else():
                m.d.sync += [self.done.eq(1), self.sigma.eq(Mux(root > SIGMA_MAX, SIGMA_MAX, root))]
        return m


class PassKey(wiring.Component):
    """Derives a noise key by encryption: Speck64/128 of (counter, inference) under the
    key (stream, domain, seed); word y of the result is the low half, x the high half.

    ``start`` for one cycle; ``done`` is up from the result on until the next start.
    Latency: 28 cycles. Resources: two 32-bit adders, 192 flip-flops, no multiplier.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "seed": In(64),
                "domain": In(32),
                "stream": In(32),
                "inference": In(32),
                "counter": In(32),
                "key": Out(64),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        x, y, key = Signal(32), Signal(32), Signal(32)
        left = [Signal(32, name=f"left_{i}") for i in range(3)]
        count = Signal(range(KEY_ROUNDS + 1))
        mixed = (x.rotate_right(KEY_ROTATE_X) + y)[:32] ^ key
        fresh = (key + left[0].rotate_right(KEY_ROTATE_X))[:32] ^ count
        m.d.comb += self.key.eq(Cat(y, x))
        with m.If(self.start):
            m.d.sync += [
                x.eq(self.counter),
                y.eq(self.inference),
                key.eq(self.seed[:32]),
                left[0].eq(self.seed[32:]),
                left[1].eq(self.domain),
                left[2].eq(self.stream),
                count.eq(0),
                self.done.eq(0),
            ]
        with m.Elif(~self.done):
            m.d.sync += [
                x.eq(mixed),
                y.eq(y.rotate_left(KEY_ROTATE_Y) ^ mixed),
                key.eq(key.rotate_left(KEY_ROTATE_Y) ^ fresh),
                left[0].eq(left[1]),
                left[1].eq(left[2]),
                left[2].eq(fresh),
                count.eq(count + 1),
                self.done.eq(count == KEY_ROUNDS - 1),
            ]
        return m


KEY_BITS = 2 * KEY_WORD_BITS


def turn_layout(geometry: Geometry) -> StructLayout:
    """Layout of a pass as the sample generator gets it: the columns that need samples,
    and the noise key."""
    passes = noise_layout(geometry).members
    columns = {name: passes[name] for name in ("first_column", "columns")}
    return StructLayout(columns | {"key": KEY_BITS})


def schedule_ports(geometry: Geometry) -> dict[str, wiring.Member]:
    """Ports of a pass schedule. Inputs: the passes, and one energy per pass. Outputs:
    sigma of each noisy pass, and on ``turns`` each noisy pass with its noise key."""
    return {
        "passes": In(stream.Signature(noise_layout(geometry))),
        "energies": In(stream.Signature(energy_shape(geometry))),
        "seed": In(64),
        "stream": In(32),
        "sigmas": Out(stream.Signature(16)),
        "turns": Out(stream.Signature(turn_layout(geometry))),
    }


def draw_key(m: Module, schedule: wiring.PureInterface, key: PassKey, slice_of: Value) -> None:
    """Connect the block ``key`` so that it derives the noise key of the pass that
    ``schedule`` offers; ``slice_of`` is the pass's slice number (three bits)."""
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
"""What the square root of a pass needs besides the energy: whether the pass is noisy,
and its two variances."""


class PassSchedule(wiring.Component):
    """Sends each noisy pass to one of several key units, which pass it on to ``turns``
    with its key, and through a queue to one of several square-root units.

    A pass without noise only takes its energy along. Throughput: ``noise_units`` passes
    in about 36 cycles, by as many keys and roots in turn. Resources: a Speck64/128
    round and a square root each, about 170 flip-flops.
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
        """Return a round-robin counter over the key or root units, which ``moves`` advances."""
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
            # A pass without noise needs no root, but its entry in the energy
            # queue is taken all the same, so that the queues of energies and of
            # scales stay in step.
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
    """Pulse ``late`` in the cycle after ``condition`` becomes true. The caller must
    keep ``condition`` true until ``late`` is high.

    Keys and roots lie far apart on a full chip, and far from the queues that start them.
    """
    m.d.sync += late.eq(condition & ~late)
