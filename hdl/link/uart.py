"""uart: 8N1 serial pins to and from byte streams."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class UartReceiver(wiring.Component):
    """Receives bytes from ``pin``, which is sampled in the middle of each bit;
    ``framing`` pulses if a stop bit is missing.

    A level that lasts a single cycle is filtered out. A start bit counts once the line
    has stayed low until its middle; a shorter pulse is ignored, and a start bit right
    after it is recognised.

    There is no flow control: a byte that is not taken at once is lost, so the consumer
    must always be ready. Latency: half a bit and two cycles after the stop bit began.
    Resources: about 45 LUTs.

    Raises ``ValueError`` when ``divisor``, the clocks per bit, is outside 2..65535.
    """

    def __init__(self, divisor: int) -> None:
        _check(divisor)
        self.divisor = divisor
        super().__init__({"pin": In(1, init=1), "valid": Out(1), "data": Out(8), "framing": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sample, level = Signal(init=1), Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.pin, sample, init=1)
        # The level of the line is the majority of three samples.
        before, earlier = Signal(init=1), Signal(init=1)
        m.d.sync += [before.eq(sample), earlier.eq(before)]
        m.d.sync += level.eq((sample & before) | (sample & earlier) | (before & earlier))
        half = self.divisor // 2
        timer = Signal(range(self.divisor))
        bits_left = Signal(range(11))
        # ``tick``: ``timer`` is 0; ``idle``: ``bits_left`` is 0; ``starting``: the
        # middle of the start bit is still to come.
        tick, idle, starting = Signal(), Signal(init=1), Signal()
        m.d.sync += [self.valid.eq(0), self.framing.eq(0)]
        with m.If(idle):
            with m.If(~level):
                # Wait half a bit, minus the cycle just spent, until the middle
                # of the start bit.
                m.d.sync += [bits_left.eq(10), timer.eq(half - 1), tick.eq(half == 1)]
                m.d.sync += [idle.eq(0), starting.eq(1)]
        with m.Elif(starting & level):
            m.d.sync += [idle.eq(1), starting.eq(0), tick.eq(0)]
        with m.Elif(~tick):
            m.d.sync += [timer.eq(timer - 1), tick.eq(timer == 1)]
        with m.Else():
            m.d.sync += [bits_left.eq(bits_left - 1), timer.eq(self.divisor - 1), tick.eq(0), starting.eq(0)]
            with m.If(bits_left == 1):
                m.d.sync += idle.eq(1)
                m.d.sync += [self.valid.eq(level), self.framing.eq(~level)]
            with m.Else():
                # The start bit is shifted in too; it leaves the register after nine shifts.
                m.d.sync += self.data.eq(Cat(self.data[1:], level))
        return m


class UartTransmitter(wiring.Component):
    """Sends the bytes of ``i`` on ``pin``, idle high. Latency: one cycle.
    Resources: about 30 LUTs.

    Raises ``ValueError`` when ``divisor``, the clocks per bit, is outside 2..65535.
    """

    def __init__(self, divisor: int) -> None:
        _check(divisor)
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "pin": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shifter = Signal(10, init=0x3FF)
        bits_left = Signal(range(11))
        timer = Signal(range(self.divisor))
        # ``idle`` is a register, since the source of the bytes depends on it and is
        # far away on the die.
        idle, tick = Signal(init=1), Signal()
        m.d.comb += self.i.ready.eq(idle)
        m.d.comb += self.pin.eq(shifter[0])
        with m.If(idle):
            with m.If(self.i.valid):
                m.d.sync += [
                    shifter.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))),
                    bits_left.eq(10),
                    timer.eq(self.divisor - 1),
                    idle.eq(0),
                ]
        with m.Elif(tick):
            m.d.sync += [
                shifter.eq(Cat(shifter[1:], Const(1, 1))),
                bits_left.eq(bits_left - 1),
                timer.eq(self.divisor - 1),
                tick.eq(0),
                idle.eq(bits_left == 1),
            ]
        with m.Else():
            m.d.sync += [timer.eq(timer - 1), tick.eq(timer == 1)]
        return m


QUIET_BITS = 1 << 15
"""Time without a byte, in bits, after which an unfinished frame is given up: 11 ms at 3
Mbaud, longer than a serial port pauses within a frame."""


class QuietLine(wiring.Component):
    """Passes bytes on. If the line is quiet for ``cycles`` cycles within a frame, it
    inserts a frame delimiter.

    The bytes received before a long pause are then not taken for a part of the next
    frame. Latency: none. Resources: a counter, about 40 LUTs.
    """

    def __init__(self, cycles: int) -> None:
        self.cycles = cycles
        super().__init__({"valid": In(1), "data": In(8), "out_valid": Out(1), "out_data": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left, torn, over = Signal(range(self.cycles)), Signal(), Signal()
        m.d.comb += [
            self.out_valid.eq(self.valid | over),
            self.out_data.eq(Mux(self.valid, self.data, 0)),
        ]
        m.d.sync += [left.eq(left - 1), over.eq(torn & (left == 0) & ~self.valid & ~over)]
        with m.If(over):
            m.d.sync += torn.eq(0)
        with m.If(self.valid):
            m.d.sync += [left.eq(self.cycles - 1), torn.eq(self.data != 0)]
        return m


def _check(divisor: int) -> None:
    if not 2 <= divisor <= 65535:
        raise ValueError(f"UART divisor is {divisor} clocks per bit; accepted: 2..65535")
