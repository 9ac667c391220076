"""words: layouts, settings, keys and random words of the learning core, and the list of
rows whose input is not 0."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import (
    COLUMNS,
    DOMAIN_BACK,
    DOMAIN_CYCLE,
    DOMAIN_DEVICE,
    DOMAIN_TRAIN,
    LEVELS,
    MIX_ROUNDS,
    NEURONS,
    ROWS,
    SLOTS_MAX,
    STATE_BITS,
    pair_constant,
    round_constant,
)
from ndrite.emulator.spec.learning_map import (
    LAYER_WORDS,
    RUN,
    SETTING_WORDS,
    settings_of,
)
from ndrite.emulator.spec.noise import SAMPLE_ROTATE_X, SAMPLE_ROTATE_Y, SAMPLE_ROUNDS, SAMPLE_WORD_BITS
from ndrite.hdl.noise.pass_schedule import PassKey
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed

INDEX_BITS = 16
"""Bits of the numbers of rows and columns, and of addresses."""
THRESHOLD_BITS = 17
ERROR_SHAPE = signed(9)
CHANGE_SHAPE = signed(18)
STATE_SHAPE = signed(STATE_BITS)
MOVED_SHAPE = signed(9)
CODE_SHAPE = signed(9)
TRAIN_BITS = SLOTS_MAX
EXPONENT_SHAPE = signed(10)
TABLE_SHAPE = signed(13)
"""Shape of an entry of a device table."""


def layer_layout(g: Geometry) -> StructLayout:
    """Layout of a layer's record, the same as in the memory map of
    ``ndrite.emulator.spec.learning_map``."""
    fields = settings_of(g).items()
    return StructLayout({n: signed(bits) if low else unsigned(bits) for n, (bits, low) in fields})


def column_layout() -> StructLayout:
    """Layout of a column's constants, as in the memory regions ``bias``,
    ``readout`` and ``neuron``."""
    return StructLayout({"bias": signed(32), "gain": 16, "offset": signed(12), "scale": 16, "curve": 16})


def live_layout() -> StructLayout:
    """Layout of an entry in a layer's list of live rows: the number of a row whose
    input is not 0, and that input."""
    return StructLayout({"row": INDEX_BITS, "x": 8})


def address_bits(g: Geometry) -> int:
    """Return the number of address bits that select a row of device states among the
    rows of all layers."""
    return bits_for(g.weight_depth - 1)


def row_layout(g: Geometry) -> StructLayout:
    """Layout of a command to the lanes: ``add`` x times the row at ``address`` to the
    sums, or ``end`` the accumulation."""
    return StructLayout({"add": 1, "end": 1, "x": 8, "address": address_bits(g)})


def trained_row_layout(g: Geometry) -> StructLayout:
    """Layout of a row, with its input, for which a pulse train must be made."""
    return StructLayout({"valid": 1, "x": 8, "row": address_bits(g)})


def answer_layout(g: Geometry) -> StructLayout:
    """Layout of what a layer's column answers: its output code ``y``, which is that of
    the ``final`` layer or is stored at address ``place``; the derivative ``change`` of
    y with respect to z; and how far y has ``moved`` per ECRAM state."""
    index = {"column": INDEX_BITS, "place": address_bits(g)}
    return StructLayout(
        {"valid": 1, "final": 1, **index, "y": 8, "change": CHANGE_SHAPE, "moved": MOVED_SHAPE}
    )


def error_layout(g: Geometry) -> StructLayout:
    """Layout of a stream of errors, one column of a layer per cycle."""
    return StructLayout({"valid": 1, "lane": range(max(g.lanes, 2)), "value": ERROR_SHAPE})


def train_layout(g: Geometry) -> StructLayout:
    """Layout of a stream of pulse trains, one column of a layer per cycle."""
    return StructLayout({"valid": 1, "lane": range(max(g.lanes, 2)), "value": TRAIN_BITS})


def poke_layout(g: Geometry) -> StructLayout:
    """Layout of a write by the bus into a lane's state."""
    where = {"lane": range(max(g.lanes, 2)), "address": address_bits(g)}
    return StructLayout({"write": 1, **where, "data": STATE_SHAPE})


def table_address_bits(g: Geometry) -> int:
    """Return the number of address bits of an entry in the device tables: the bits of
    the layer, then those of the level."""
    return bits_for(g.layers * LEVELS - 1)


class Settings(wiring.Component):
    """Memory of the layer records, written through the bus window of region ``layers``.
    ``record`` is the record of layer ``number``, READ_LATENCY cycles later.

    ``next`` is the number of the next update, as written (``next_written``) and counted
    (``start``). Resources: SETTING_WORDS words a layer.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "window": In(WindowSignature()),
                "number": In(range(g.layers)),
                "record": Out(layer_layout(g)),
                "start": In(1),
                "inputs": Out(INDEX_BITS),
                "depth": Out(bits_for(g.layers)),
                "slots": Out(range(SLOTS_MAX + 1)),
                "die_seed": Out(64),
                "carries": Out(range(g.layers)),
                "next": Out(32),
                "next_written": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, window = self.geometry, self.window
        m.submodules.records = records = RegisteredMemory(32, g.layers, parts=SETTING_WORDS)
        word_bits = exact_log2(LAYER_WORDS)
        word, record = window.address[:word_bits], window.address[word_bits:]
        run = [Signal(32, name=name) for name in RUN]
        last = record == g.layers
        chosen = delayed(m, word, READ_LATENCY, "word")
        bits = len(records.address)
        m.d.comb += [
            records.address.eq(Mux(window.select, record[:bits], self.number)),
            records.write_address.eq(delayed(m, record[:bits], 1, "written_record")),
            records.write_data.eq(delayed(m, window.write_data, 1, "written").replicate(SETTING_WORDS)),
            Cat(self.record.as_value()).eq(records.data),
        ]
        m.d.sync += records.write.eq(Mux(window.write & ~last, Const(1, SETTING_WORDS) << word, 0))
        m.d.sync += window.read_data.eq(Mux(chosen < SETTING_WORDS, records.data.word_select(chosen, 32), 0))
        for i, held in enumerate(run):
            with m.If(window.write & last & (word == i)):
                m.d.sync += held.eq(window.write_data)
            with m.If(last & (chosen == i)):
                m.d.sync += window.read_data.eq(held)
        seed_low, seed_high, slots, depth, carries, following = run
        with m.If(self.start):
            m.d.sync += following.eq(following + 1)
        with m.If(window.write & (record == 0) & (word == 0)):
            m.d.sync += self.inputs.eq(window.write_data)
        m.d.comb += [
            self.die_seed.eq(Cat(seed_low, seed_high)),
            self.slots.eq(slots),
            self.depth.eq(depth),
            self.carries.eq(carries),
            self.next.eq(following),
            self.next_written.eq(window.write & last & (word == len(run) - 1)),
        ]
        return m


COUNT = 6
ROW_KEY, COLUMN_KEY, BACK_KEY, DEVICE_KEY, CYCLE_KEY, ECRAM_KEY = range(COUNT)
DOMAINS = (DOMAIN_TRAIN, DOMAIN_TRAIN, DOMAIN_BACK, DOMAIN_DEVICE, DOMAIN_CYCLE, DOMAIN_TRAIN)
SIDES = (ROWS, COLUMNS, 0, 0, 0, NEURONS)
KEY_LATENCY = 32
"""Cycles from ``start`` to ROW_KEY of the first layer."""


class Keys(wiring.Component):
    """Computes COUNT noise keys for each of ``depth`` layers, one after the other,
    beginning at ``start``. ``keys`` are those of ``layer``, two cycles later.
    ``ready``: the ROW_KEY of ``layer`` was computed a cycle ago. ``whole``: all keys of
    all layers are computed.

    Latency: 31 cycles a key. Resources: a ``PassKey``, 384 bits of LUT memory a layer.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "seed": In(64),
                "die_seed": In(64),
                "update": In(32),
                "depth": In(range(geometry.layers + 1)),
                "start": In(1),
                "layer": In(range(geometry.layers)),
                "ready": Out(1),
                "whole": Out(1),
                "keys": Out(ArrayLayout(64, COUNT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.cipher = cipher = PassKey()
        m.submodules.memory = memory = Memory(shape=COUNT * 64, depth=g.layers, init=[])
        write, read = memory.write_port(granularity=64), memory.read_port(domain="comb")
        of, key_number = Signal(range(g.layers)), Signal(range(COUNT))
        begun, ended, key_valid = Signal(), Signal(), Signal()
        m.d.comb += [
            cipher.seed.eq(self.seed),
            cipher.inference.eq(self.update),
            read.addr.eq(self.layer),
            write.addr.eq(of),
            write.data.eq(cipher.key.replicate(COUNT)),
        ]
        row_key = (of > self.layer) | ((of == self.layer) & (key_number != ROW_KEY)) | self.whole
        m.d.sync += [Cat(*self.keys).eq(read.data), self.ready.eq(key_valid & row_key)]
        with m.Switch(key_number):
            for i, (domain, side) in enumerate(zip(DOMAINS, SIDES, strict=True)):
                with m.Case(i):
                    m.d.comb += cipher.domain.eq(domain)
                    m.d.comb += cipher.counter.eq(Cat(Const(side << 8, 24), Cat(of, Const(0, 8))[:8]))
                    if domain == DOMAIN_DEVICE:
                        m.d.comb += [cipher.seed.eq(self.die_seed), cipher.inference.eq(0)]
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [of.eq(0), key_number.eq(0), key_valid.eq(1), self.whole.eq(0)]
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += cipher.start.eq(1)
                m.d.sync += begun.eq(0)
                m.next = "WAIT"
            with m.State("WAIT"):
                # The cipher's ``done`` belongs to the previous key until one
                # cycle after ``start``.
                m.d.sync += [begun.eq(1), ended.eq(begun & cipher.done)]
                with m.If(ended):
                    m.d.comb += write.en.eq(1 << key_number)
                    m.d.sync += [begun.eq(0), ended.eq(0)]
                    m.d.sync += key_number.eq(Mux(key_number == COUNT - 1, 0, key_number + 1))
                    m.next = "BEGIN"
                    with m.If(key_number == COUNT - 1):
                        m.d.sync += of.eq(of + 1)
                        with m.If(of == self.depth - 1):
                            m.d.sync += self.whole.eq(1)
                            m.next = "IDLE"
        return m


WORDS_LATENCY = SAMPLE_ROUNDS
"""Cycles from ``row`` and ``column`` to ``x`` and ``y``."""
ROUNDS_A_STAGE = 2
SLOTS_LATENCY = MIX_ROUNDS // ROUNDS_A_STAGE
"""Cycles from a pseudo-random word to the numbers of its time slots."""


class Words(wiring.Component):
    """Generates a pair of pseudo-random words x, y: the cipher text of (column, row ^
    key[3]) after the sample rounds of ``ndrite.emulator.spec.noise``.

    ``key`` must not change while a word is in the pipeline. Latency: WORDS_LATENCY
    cycles, a word a cycle. Resources: seven 16-bit adders (about 48 LUTs and 32
    flip-flops each).
    """

    def __init__(self) -> None:
        bits = SAMPLE_WORD_BITS
        super().__init__({"key": In(64), "row": In(bits), "column": In(bits), "x": Out(bits), "y": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [self.key.word_select(i, SAMPLE_WORD_BITS) for i in range(4)]
        x: Value = self.column
        y: Value = self.row ^ words[3]
        for i in range(SAMPLE_ROUNDS):
            next_x, next_y = (
                Signal(SAMPLE_WORD_BITS, name=f"{n}_{i + 1}", reset_less=True) for n in ("x", "y")
            )
            mixed = (x.rotate_right(SAMPLE_ROTATE_X) + y)[:SAMPLE_WORD_BITS] ^ words[i % 4] ^ i
            m.d.sync += [next_x.eq(mixed), next_y.eq(y.rotate_left(SAMPLE_ROTATE_Y) ^ mixed)]
            x, y = next_x, next_y
        m.d.comb += [self.x.eq(x), self.y.eq(y)]
        return m


def slot_numbers(m: Module, x: Value, y: Value) -> list[Value]:
    """Return the pseudo-random numbers of all time slots of a pulse train,
    SLOTS_LATENCY cycles after the pseudo-random word x, y of the train.

    Six rounds of Simon32 without key for every two slots: 96 LUTs and 96 flip-flops a pair.
    """
    numbers: list[Value] = []
    for pair in range((SLOTS_MAX + 1) // 2):
        a: Value = x ^ pair_constant(pair)
        b: Value = y
        for i in range(MIX_ROUNDS):
            f = (a.rotate_left(1) & a.rotate_left(8)) ^ a.rotate_left(2)
            a, b = b ^ f ^ round_constant(i), a
            if i % ROUNDS_A_STAGE == ROUNDS_A_STAGE - 1:
                held = [Signal(SAMPLE_WORD_BITS, name=f"mix_{pair}_{i}_{n}", reset_less=True) for n in "ab"]
                m.d.sync += [held[0].eq(a), held[1].eq(b)]
                a, b = held
        numbers += [a, b]
    return numbers


TILES = 16
"""Largest number of row tiles of a layer."""


class Live(wiring.Component):
    """List of a layer's live rows, those whose input is not 0. Inputs arrive one by one
    (``push``) after ``begin``; ``last`` marks the last input.

    ``entry`` is the entry at ``address``, two cycles later; ``end`` is the number of
    live rows before the end of ``tile``, two cycles later. ``count`` is the number of
    entries so far; ``whole`` says that the list is complete. Resources: 24 bits for
    each of ``depth`` rows, 16 a tile.
    """

    def __init__(self, geometry: Geometry, depth: int) -> None:
        self.geometry = geometry
        self.depth = depth
        super().__init__(
            {
                "begin": In(1),
                "push": In(1),
                "last": In(1),
                "x": In(8),
                "count": Out(INDEX_BITS),
                "whole": Out(1),
                "address": In(INDEX_BITS),
                "entry": Out(live_layout()),
                "tile": In(range(TILES)),
                "end": Out(INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.rows = rows = RegisteredMemory(live_layout().size, self.depth)
        m.submodules.ends = ends = RegisteredMemory(INDEX_BITS, TILES)
        row, tile, inside = Signal(INDEX_BITS), Signal(range(TILES)), Signal(range(g.rows))
        alive, full = Signal(), Signal()
        after = Signal(INDEX_BITS)
        m.d.comb += [
            alive.eq(self.x != 0),
            after.eq(self.count + alive),
            full.eq(inside == g.rows - 1),
        ]
        with m.If(self.begin):
            m.d.sync += [row.eq(0), self.count.eq(0), tile.eq(0), inside.eq(0), self.whole.eq(0)]
        with m.Elif(self.push):
            m.d.sync += [row.eq(row + 1), self.count.eq(after), inside.eq(Mux(full, 0, inside + 1))]
            m.d.sync += [tile.eq(tile + full), self.whole.eq(self.last)]
        place = bits_for(self.depth - 1)
        m.d.comb += [
            rows.write.eq(self.push & alive),
            rows.write_address.eq(self.count[:place]),
            rows.write_data.eq(Cat(row, self.x)),
            ends.write.eq(self.push & (full | self.last)),
            ends.write_address.eq(tile),
            ends.write_data.eq(after),
            rows.address.eq(self.address[:place]),
            self.entry.eq(rows.data),
            ends.address.eq(self.tile),
            self.end.eq(ends.data),
        ]
        return m
