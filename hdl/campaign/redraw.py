"""redraw: randomly samples the effective weights of a virtual chip around the target
weights (``ndrite.emulator.spec.variation``)."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.hdl import Value
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS
from ndrite.emulator.spec.noise import SAMPLE_ROUNDS
from ndrite.emulator.spec.variation import CODE_FRACTION, DOMAIN_CELL, TABLE_WORDS
from ndrite.hdl.array.array import PEEK_LATENCY
from ndrite.hdl.noise.noise import GAUSSIAN_LATENCY, Gaussian
from ndrite.hdl.noise.pass_schedule import PassKey
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import Ports, Sized, cell_layout, cells_at_once, peek_layout, poke_layout
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import delayed

TABLE_STAGE = PEEK_LATENCY + 1
"""Cycles from a row's issue until the row's target codes address the table."""
SCALE_STAGE = TABLE_STAGE + READ_LATENCY + 1
"""Cycles from a row's issue until sigma and the random sample meet in the multiplier."""
SAMPLE_STAGE = SCALE_STAGE - GAUSSIAN_LATENCY
"""Cycles from a row's issue until the row number enters the sample generator."""
CODE_STAGE = SCALE_STAGE + MULTIPLY_LATENCY + 2
"""Cycles from a row's issue until the codes of both cells of a differential pair are valid."""
DRAIN = SAMPLE_STAGE + SAMPLE_ROUNDS
"""Cycles for which the keys are still needed after a column's last row."""
assert SAMPLE_STAGE >= 1


class Redraw(Sized):
    """Samples the random weights of a virtual chip: w = c(G+) - c(G-), where the code
    of a cell with table entry a is c = clip((mean[a] * 256 + sigma[a] * g + 2^15) >>
    16, 0, code_max), or a fixed code if the cell is stuck.

    Column by column, ``geometry.redraw`` neighbouring ones at once, one row a cycle;
    with ``nominal`` the targets themselves go to the array. ``start`` for one cycle
    while ``busy`` is down. Latency: K + about 16 cycles for each set of columns (keys
    of the next are made meanwhile), 40 at the beginning. Resources: for every column
    at once two sample pipes, two multipliers, a table of 256 * 32 bits; one
    Speck64/128 round.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "start": In(1),
            "nominal": In(1),
            "busy": Out(1),
            "seed": In(64),
            "chip": In(32),
            "stuck_low": In(16),
            "stuck_high": In(16),
            "stuck_codes": In(24),
            "layers": In(WindowSignature()),
            "table": In(WindowSignature()),
            "peek": Out(peek_layout(g)),
            "peeked": In(ArrayLayout(cell_layout(g), cells_at_once(g))),
            "poke": Out(poke_layout(g)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        c = cells_at_once(g)
        m.submodules.key = key = PassKey()
        layer = Signal(bits_for(g.layers - 1) or 1)
        inputs, outputs, base, last = self._layers(m, layer)
        column, slot = Signal(16), Signal(peek_layout(g)["slot"].shape)
        address = Signal(bits_for(g.weight_depth - 1))
        nth = Signal(range(max(c, 2)))
        keys = [Signal(64, name=f"next_key_{i}") for i in range(c)]
        nominal = Signal()
        planned, planning, take = Signal(), Signal(), Signal()
        m.d.comb += [
            key.seed.eq(self.seed),
            key.domain.eq(DOMAIN_CELL),
            key.stream.eq(self.chip),
            key.counter.eq(layer << 24),
            key.inference.eq(column + nth),
        ]

        last_set = Signal()
        m.d.sync += last_set.eq(column + c >= outputs)

        # Planning state machine: finds the columns to draw next and computes their noise keys.
        with m.FSM():
            with m.State("idle"):
                m.d.sync += [layer.eq(0), planned.eq(0)]
                with m.If(self.start):
                    m.d.sync += [nominal.eq(self.nominal), planning.eq(1)]
                    m.next = "fetch"
            with m.State("fetch"):
                m.next = "layer"
            with m.State("layer"):
                m.d.sync += [column.eq(0), slot.eq(0), address.eq(base), nth.eq(0)]
                m.next = "key"
            with m.State("key"):
                m.d.comb += key.start.eq(~nominal)
                m.next = "keyed"
                with m.If(nominal):
                    m.d.sync += planned.eq(1)
                    m.next = "planned"
            with m.State("keyed"):
                with m.If(key.done):
                    for i in range(c):
                        with m.If(nth == i):
                            m.d.sync += keys[i].eq(key.key)
                    m.d.sync += nth.eq(nth + 1)
                    m.next = "key"
                    with m.If(nth == c - 1):
                        m.d.sync += [nth.eq(0), planned.eq(1)]
                        m.next = "planned"
            with m.State("planned"):
                with m.If(take):
                    m.d.sync += [planned.eq(0), column.eq(column + c), slot.eq(slot + 1)]
                    m.next = "key"
                    with m.If(slot == g.lanes // c - 1):
                        m.d.sync += [slot.eq(0), address.eq(address + inputs)]
                    with m.If(last_set):
                        m.d.sync += layer.eq(layer + 1)
                        m.next = "fetch"
                        with m.If(last):
                            m.d.sync += planning.eq(0)
                            m.next = "idle"

        # Drawing: one row of the planned columns per cycle.
        rows_left, row = Signal(16), Signal(16)
        issue = Signal(peek_layout(g))
        drain = Signal(range(DRAIN + 2))
        # High fan-out: ``take`` is a register.
        m.d.sync += take.eq(planned & ~issue.select & (drain == 0) & ~take)
        m.d.comb += self.peek.eq(issue)
        pipes = [Gaussian() for _ in range(2 * c)]
        with m.If(take):
            m.d.sync += [issue.select.eq(1), issue.slot.eq(slot), issue.address.eq(address)]
            m.d.sync += [row.eq(0), rows_left.eq(inputs)]
            m.d.sync += [pipe.key.eq(keys[i // 2]) for i, pipe in enumerate(pipes)]
        with m.If(issue.select):
            m.d.sync += [row.eq(row + 1), rows_left.eq(rows_left - 1), issue.address.eq(issue.address + 1)]
            with m.If(rows_left == 1):
                m.d.sync += [issue.select.eq(0), drain.eq(DRAIN + 1)]
        with m.If(drain != 0):
            m.d.sync += drain.eq(drain - 1)
        late_row = delayed(m, row, SAMPLE_STAGE, "row")
        for i, pipe in enumerate(pipes):
            m.submodules[f"gaussian_{i}"] = pipe
            m.d.comb += pipe.column.eq(Cat(Const(i % 2, 1), late_row))
        weights = self._draw(m, pipes, nominal)
        where = delayed(m, issue, CODE_STAGE + 1, "where")
        under_way = Signal(range(CODE_STAGE + 5))
        with m.If(issue.select):
            m.d.sync += under_way.eq(CODE_STAGE + 4)
        with m.Elif(under_way != 0):
            m.d.sync += under_way.eq(under_way - 1)
        m.d.sync += self.busy.eq(self.start | planning | planned | issue.select | (under_way != 0))
        m.d.comb += [
            self.poke.lanes.eq(where.select.replicate(c)),
            self.poke.slot.eq(where.slot),
            self.poke.address.eq(where.address),
        ]
        m.d.comb += [out.eq(weight) for out, weight in zip(self.poke.weights, weights, strict=True)]
        return m

    def _layers(self, m: Module, layer: Signal) -> tuple[Value, Value, Value, Value]:
        """Return the fields inputs, outputs, weight base and last of the descriptor of
        ``layer``, one cycle later. They are read from copies of the descriptors that
        the bus has written."""
        g, window = self.geometry, self.layers
        word_bits = exact_log2(DESCRIPTOR_WORDS)
        read = {}
        for word in sorted({DESCRIPTOR[name][0] for name in ("inputs", "last", "weight_base")}):
            memory, enable = Memory(shape=32, depth=g.layers, init=[]), Signal(name=f"enable_{word}")
            m.submodules[f"word_{word}"] = memory
            write, port = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.addr.eq(window.address[word_bits:]),
                write.data.eq(window.write_data),
                write.en.eq(enable),
                port.addr.eq(layer),
            ]
            # The write enable is registered; this is allowed because the bus keeps
            # address and data for one more cycle.
            m.d.sync += enable.eq(window.write & (window.address[:word_bits] == word))
            read[word] = port.data

        def field(name: str) -> Value:
            word, low, width = DESCRIPTOR[name]
            return read[word][low : low + width]

        return field("inputs"), field("outputs"), field("weight_base"), field("last")

    def _draw(self, m: Module, pipes: list[Gaussian], nominal: Signal) -> list[Signal]:
        """Sample the weights whose target weights are in ``peeked``; the sampled
        weights are valid at pipeline stage CODE_STAGE + 1."""
        g, table = self.geometry, self.table
        weight_max = g.weight_max
        # Table entry for a cell whose target is 0: the other cell of each differential pair.
        entry_0 = Signal(32)
        writes_0 = Signal()
        m.d.sync += writes_0.eq(table.write & (table.address == 0))
        with m.If(writes_0):
            m.d.sync += entry_0.eq(table.write_data)
        weights = []
        for i, cell in enumerate(self.peeked):
            target = Signal(signed(g.weight_bits), name=f"target_{i}")
            negative = Signal(name=f"negative_{i}")
            size = Signal(range(max(weight_max + 1, TABLE_WORDS)), name=f"size_{i}")
            m.d.sync += [
                target.eq(cell.target),
                negative.eq(cell.target < 0),
                size.eq(Mux(cell.target < 0, -cell.target, cell.target)),
            ]
            m.submodules[f"table_{i}"] = memory = RegisteredMemory(unsigned(32), TABLE_WORDS)
            m.d.comb += [
                memory.address.eq(size),
                memory.write.eq(table.write),
                memory.write_address.eq(table.address),
                memory.write_data.eq(table.write_data),
            ]
            if i == 0:
                with m.If(table.select):
                    m.d.comb += memory.address.eq(table.address)
                m.d.sync += table.read_data.eq(memory.data)
            minus = delayed(m, negative, READ_LATENCY, f"negative_{i}")
            codes = []
            for side in range(2):
                entry = Signal(32, name=f"entry_{i}_{side}")
                m.d.sync += entry.eq(Mux(minus == side, memory.data, entry_0))
                codes.append(self._code(m, entry, pipes[2 * i + side], f"{i}_{side}"))
            weight = Signal(signed(g.weight_bits), name=f"weight_{i}")
            nominal_code = delayed(m, target, CODE_STAGE - TABLE_STAGE, f"target_{i}")
            m.d.sync += weight.eq(Mux(nominal, nominal_code, codes[0] - codes[1]))
            weights.append(weight)
        return weights

    def _code(self, m: Module, entry: Signal, pipe: Gaussian, name: str) -> Signal:
        """Compute the code of one cell, MULTIPLY_LATENCY + 2 cycles after the cell's
        table entry (SCALE_STAGE)."""
        code_low, code_high, code_max = (self.stuck_codes[i : i + 8] for i in (0, 8, 16))
        m.submodules[f"scale_{name}"] = scale = Multiplier(unsigned(16), signed(12))
        m.d.comb += [scale.a.eq(entry[16:]), scale.b.eq(pipe.sample)]
        mean = delayed(m, entry[:16].as_unsigned(), MULTIPLY_LATENCY, f"mean_{name}")
        total = Signal(signed(30), name=f"total_{name}")
        m.d.sync += total.eq(scale.product + ((mean << CODE_FRACTION) + (1 << (2 * CODE_FRACTION - 1))))
        low, high = Signal(name=f"low_{name}"), Signal(name=f"high_{name}")
        m.d.sync += [
            low.eq(pipe.uniform < self.stuck_low),
            high.eq((pipe.uniform + self.stuck_high)[16]),
        ]
        low = delayed(m, low, MULTIPLY_LATENCY, f"low_{name}")
        high = delayed(m, high, MULTIPLY_LATENCY, f"high_{name}")
        code = Signal(8, name=f"code_{name}")
        integer_part = total >> 2 * CODE_FRACTION
        with m.If(low):
            m.d.sync += code.eq(code_low)
        with m.Elif(high):
            m.d.sync += code.eq(code_high)
        with m.Elif(integer_part < 0):
            m.d.sync += code.eq(0)
        with m.Elif(integer_part > code_max):
            m.d.sync += code.eq(code_max)
        with m.Else():
            m.d.sync += code.eq(integer_part)
        return code
