"""pass_key: Speck64/128 in counter mode, one round a cycle."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.noise import KEY_ROTATE_X, KEY_ROTATE_Y, KEY_ROUNDS


class PassKey(wiring.Component):
    """key = Speck64/128 of (counter, inference) under (stream, domain, seed); words y then x, low first.

    ``start`` for one cycle; ``done`` is up from the result on until the next start. Latency: 28 cycles.
    Resources: two 32-bit adders, 192 flip-flops, no multiplier.
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
