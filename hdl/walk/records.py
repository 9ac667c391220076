"""records: reads the step records of a program one at a time from their memory;
layouts of the records."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.memory_map import map_words
from ndrite.emulator.spec.walk_record import GATE, HEADER, RECORD_WORDS, STEP, USED_WORDS
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from ndrite.hdl.parts.pipeline import delayed

HEADER_LAYOUT = StructLayout({name: width for name, (_, _, width) in HEADER.items()})
"""The fields of record 0."""
STEP_LAYOUT = StructLayout({name: width for name, (_, _, width) in STEP.items()})
"""The fields of a step's record (``ndrite.emulator.backend.walk``); negative numbers
are in two's complement."""
GATE_LAYOUT = StructLayout({name: width for name, (_, _, width) in GATE.items()})
"""The fields that only the record of a gate step has."""
CHUNK_LAYOUT = StructLayout(
    {
        "valid": 1,
        "codes": ArrayLayout(unsigned(8), WORD_ROWS),
        "count": 4,
        "group_end": 1,
        "patch_end": 1,
    }
)
"""A chunk of a patch: ``count`` adjacent codes, with 0 for the rest, and whether it
ends a group of channels or the patch."""


class Records(wiring.Component):
    """Memory of the program's step records. ``fetch`` reads the record with number
    ``number`` into ``step``, or into ``gate`` for a gate step; ``ready`` is set
    when it has arrived.

    ``header`` is record 0, taken as the bus writes it; no reset forgets it. Latency:
    USED_WORDS + 4 cycles. Resources: the memory and a flip-flop for each bit of a step.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.depth = map_words(geometry)["steps"]
        super().__init__(
            {
                "fetch": In(1),
                "number": In(bits_for(self.depth // RECORD_WORDS - 1)),
                "ready": Out(1),
                "step": Out(STEP_LAYOUT),
                "gate": Out(GATE_LAYOUT),
                "header": Out(HEADER_LAYOUT),
                "window": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        window = self.window
        m.submodules.memory = memory = RegisteredMemory(32, self.depth)
        at = Signal(range(RECORD_WORDS))
        share(m, memory, window, Cat(at, self.number))
        m.d.sync += window.read_data.eq(memory.data)
        header = Signal(HEADER_LAYOUT, reset_less=True)
        m.d.comb += self.header.eq(header)
        for name, (word, low, width) in HEADER.items():
            with m.If(window.write & (window.address == word)):
                m.d.sync += header[name].eq(window.write_data[low : low + width])
        reading = Signal()
        words = Signal(ArrayLayout(32, USED_WORDS), reset_less=True)
        # The word counter runs past the last word until the memory has delivered it.
        last = USED_WORDS + READ_LATENCY
        assert last < RECORD_WORDS, "the count covers a record and the memory's latency"
        with m.If(self.fetch):
            m.d.sync += [reading.eq(1), at.eq(0), self.ready.eq(0)]
        with m.Elif(reading):
            m.d.sync += [at.eq(at + 1), reading.eq(at != last), self.ready.eq(at == last)]
        came, arrived = delayed(m, at, READ_LATENCY, "at"), delayed(m, reading, READ_LATENCY, "reading")
        with m.If(arrived):
            for i in range(USED_WORDS):
                with m.If(came == i):
                    m.d.sync += words[i].eq(memory.data)
        for fields, record in ((STEP, self.step), (GATE, self.gate)):
            for name, (word, low, width) in fields.items():
                m.d.comb += record[name].eq(words[word][low : low + width])
        return m
