"""layouts: layouts of the streams between blocks, a base class of components whose
ports depend on the geometry, bank numbers, and queues of sums."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from amaranth import Cat, Const, Module, Shape, Signal, signed, unsigned
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry

Ports: TypeAlias = dict[str, wiring.Member]


class Sized(wiring.Component):
    """A component whose ports depend on its ``geometry``; the subclass lists
    them in ``ports``."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(self.ports(geometry))

    def ports(self, g: Geometry) -> Ports:
        """Return the direction of each port, by the port's name, for geometry ``g``."""
        raise NotImplementedError


def by_name(to: object, source: object, *names: str) -> list[Any]:
    """Assign signals or fields between two objects: for each name in ``names``, that of
    ``to`` gets the value of the one with the same name in ``source``.

    For ports of which only some are alike; where all are, ``wiring.connect`` says so.
    """
    sources = members(source, names)
    return [member.eq(sources[name]) for name, member in members(to, names).items()]


def members(of: object, names: Iterable[str]) -> dict[str, Any]:
    """Return the ports or fields of ``of`` that ``names`` lists, by name: for those
    that a table lists or that only some geometries have."""
    return {name: getattr(of, name) for name in names}


def numbered(of: object, name: str, numbers: Iterable[int]) -> list[Any]:
    """Return the ports ``name_0``, ``name_1``, .. of ``of`` with the numbers ``numbers``."""
    return [getattr(of, f"{name}_{number}") for number in numbers]


def connect_windows(m: Module, decoder: object, owner: object, names: Iterable[str]) -> None:
    """Connect windows of the address decoder to those of the same names in ``owner``,
    which holds the memories."""
    own = members(owner, names)
    for name, window in members(decoder, own).items():
        wiring.connect(m, window, own[name])


def bank_bits(g: Geometry) -> int:
    """Return how many bits the number of a bank has."""
    return exact_log2(g.banks)


def next_bank(bank: Signal) -> Value:
    """Return the number of the bank after ``bank``; after the last bank comes the first."""
    return ~bank if len(bank) == 1 else bank + 1


def bank_address(index: Value, bank: Value, size: int) -> Value:
    """Return the address of entry ``index`` of ``bank`` in a memory whose banks have
    ``size`` (a power of two) entries."""
    bits = exact_log2(size)
    padded = Cat(index, Const(0, bits))[:bits]
    return Cat(padded, bank)


LINE_DEPTH = 8
"""Number of passes whose sums fit in a lane's queue. LUT memory is at least 16 deep, so
a smaller queue would save nothing."""


def waiting_sums(geometry: Geometry) -> int:
    """Return the number of passes whose sums may wait, in one queue per lane, while
    earlier sums are read out.

    Passes differ in length where zeros are skipped; this is what lets short
    ones follow at once.
    """
    return LINE_DEPTH - 1 if geometry.overlap else 0


@dataclass(frozen=True)
class Line:
    """Control signals of a lane's queue of sums: when a pass ends, ``put`` writes its
    sum at index ``to``; ``source`` is the index of the next sum to leave the queue."""

    put: Signal
    to: Signal
    source: Signal


def in_line(m: Module, ends: Signal, close: Value, name: str) -> tuple[Signal, Line]:
    """Build the control of the lanes' queues of sums. Return the signal that moves
    the next sums from the queues to the column registers, and the queues' write
    and read indices.

    They get in line as a pass ``ends``, and leave it when the registers are free or, on
    ``close``, become so: one cycle after they got there, at the earliest.
    """
    to, source = (Signal(range(LINE_DEPTH), name=f"{n}_{name}") for n in ("to", "source"))
    waiting = Signal(range(LINE_DEPTH + 1), name=f"waiting_{name}")
    entry_full, entry_filled = Signal(name=f"held_{name}"), Signal(name=f"taken_{name}")
    m.d.comb += entry_filled.eq(waiting.any() & (~entry_full | close))
    m.d.sync += [
        to.eq(to + ends),
        source.eq(source + entry_filled),
        waiting.eq(waiting + ends - entry_filled),
        entry_full.eq(entry_filled | (entry_full & ~close)),
    ]
    return entry_filled, Line(ends, to, source)


INDEX_BITS = 32
TILE_BITS = 10
SECOND_BITS = 25
"""Bits of a second operand: at most 255 * 65535, rounded."""


def ends(g: Geometry) -> tuple[str, ...]:
    """Return the port-name suffixes, one for each row that a lane takes in a cycle."""
    return ("", "_other")[: g.lane_rows]


def row_layout(g: Geometry) -> StructLayout:
    """Layout of one row as it is sent to all lanes: input slice ``x``, weight
    ``address``, and marks for the ``first`` and the ``last`` row of a pass.

    With two ``lane_rows`` the second row of the cycle is ``x_other`` at
    ``address_other``; 0 if there is none.
    """
    address = bits_for(g.weight_depth - 1)
    row = {"valid": 1, "first": 1, "last": 1}
    for end in ends(g):
        row |= {f"x{end}": unsigned(8), f"address{end}": address}
    return StructLayout(row)


GROUP_LANES = 8
"""Number of lanes in a lane group, which shares one copy of the row registers; a row
moves on by one group per cycle."""


def cells_at_once(g: Geometry) -> int:
    """Return the number of neighbouring lanes whose weights are read or written
    together. While a virtual chip is sampled, as many weights are sampled per cycle."""
    return max(1, g.redraw)


def peek_layout(g: Geometry) -> StructLayout:
    """Layout of a read from the memories of ``cells_at_once`` neighbouring
    lanes: ``slot`` is the number of that set of lanes, ``address`` the
    address in each of them."""
    return StructLayout(
        {
            "select": 1,
            "slot": bits_for(-(-g.lanes // cells_at_once(g)) - 1),
            "address": bits_for(g.weight_depth - 1),
        }
    )


def cell_layout(g: Geometry) -> StructLayout:
    """Layout of one word of a lane's memory: the weight that the array multiplies
    with and, with virtual chips, the target weight around which that weight is
    randomly sampled."""
    weight = signed(g.weight_bits)
    return StructLayout({"weight": weight, "target": weight} if g.redraw else {"weight": weight})


def poke_layout(g: Geometry) -> StructLayout:
    """Layout of a write to lanes: ``slot`` is the number of a set of neighbouring
    lanes, ``lanes`` selects among them. With ``target`` set, the value is also stored
    as the target weight."""
    count = cells_at_once(g)
    return StructLayout(
        {
            "lanes": count,
            "target": 1,
            "slot": bits_for(-(-g.lanes // count) - 1),
            "address": bits_for(g.weight_depth - 1),
            "weights": ArrayLayout(signed(g.weight_bits), count),
        }
    )


def unit_rows(g: Geometry, unit: int) -> int:
    """Return how many rows of an input word unit ``unit`` of the lanes receives at
    most. A layer divides the units into 1, 2, 4 or 8 equal groups of neighbours; the
    first unit of each group receives that group's equal share of the WORD_ROWS rows."""
    groups = g.lane_groups
    while unit and unit % (2 * g.lane_groups // groups) == 0:
        groups //= 2
    return WORD_ROWS // groups if unit else WORD_ROWS


def word_layout(g: Geometry, rows: int = WORD_ROWS) -> StructLayout:
    """Layout of a word of inputs: input slices of ``rows`` rows, the rows to ``visit``,
    and the weight address of the first row.

    ``pick`` is the first to visit; ``single`` says that the remaining rows fit in one
    cycle. With two ``lane_rows``, ``pick_other`` is the last row to visit and
    ``pick_before`` the last but one, 0 where they are ``pick``; ``more`` says that
    there are at least two rows, ``few`` that there are at most three.
    """
    word = {
        "x": ArrayLayout(unsigned(8), rows),
        "visit": rows,
        "pick": rows,
        "single": 1,
        "last": 1,
        "address": bits_for(g.weight_depth - 1),
    }
    two = {"pick_other": rows, "pick_before": rows, "more": 1, "few": 1}
    return StructLayout(word | (two if g.lane_rows > 1 else {}))


def start_layout(g: Geometry) -> StructLayout:
    """Layout of an inference to run: its input ``bank``, the ``inference``
    number that selects its noise and, in a program with feature maps, the
    ``layer`` at which it begins."""
    layer = {"layer": bits_for(g.layers - 1) or 1} if g.map_codes else {}
    return StructLayout({"bank": bank_bits(g), "inference": INDEX_BITS} | layer)


def feed_layout(g: Geometry) -> StructLayout:
    """Layout of the settings that a pass gives to the scanner."""
    return StructLayout(
        {
            "from_input": 1,
            "bank": bank_bits(g),
            "sink": bank_bits(g),
            "layer_first": 1,
            "input_done": 1,
            "word": bits_for(g.max_inputs // WORD_ROWS - 1),
            "rows": bits_for(g.max_inputs),
            "address": bits_for(g.weight_depth - 1),
            "slice": 3,
            "dac_log2": 2,
        }
        | ({"lane_groups": 2} if g.lane_groups > 1 else {})
    )


def noise_layout(g: Geometry) -> StructLayout:
    """Layout of the settings that a pass gives to the noise generator."""
    return StructLayout(
        {
            "noisy": 1,
            "inference": INDEX_BITS,
            "layer": 8,
            "tile": TILE_BITS,
            "slice": 3,
            "first_column": bits_for(g.columns - 1),
            "columns": bits_for(g.lanes),
            "variance_out": 32,
            "var_cell": 16,
        }
    )


def readout_layout(g: Geometry) -> StructLayout:
    """Layout of the settings that a pass gives to the readout. After a column group's
    last pass, the readout passes some of them on to the neurons."""
    return StructLayout(
        {
            "noisy": 1,
            "first": 1,
            "last": 1,
            "steps": bits_for(g.lanes // g.readouts),
            "column": bits_for(g.columns - 1),
            "analog": 1,
            "adc_bits": 4,
            "shift": 6,
            "lshift": 3,
            "group": group_layout(g),
        }
        | ({"skip": bits_for(g.lanes // g.readouts - 1)} if g.map_codes else {})
    )


def group_layout(g: Geometry) -> StructLayout:
    """Layout of what the readout tells the neurons of a finished column group: its
    columns and the settings of its layer."""
    return StructLayout(
        {
            "output": 1,
            "layer_end": 1,
            "sink": bank_bits(g),
            "first_column": bits_for(g.columns - 1),
            "column": bits_for(g.columns - 1),
            "columns": bits_for(g.lanes),
            "vshift": 6,
            "segment_bits": 4,
            "table_bits": 4,
        }
        | ({"walked": 1, "second": 1} if g.map_codes else {})
    )


def activation_layout(g: Geometry) -> StructLayout:
    """Layout of a stream of outputs of hidden neurons: ``count`` outputs per cycle,
    from ``column`` on; ``last`` marks the layer's last outputs."""
    column, count = bits_for(g.columns - 1), bits_for(g.neurons)
    return StructLayout(
        {"valid": 1, "last": 1, "sink": bank_bits(g), "column": column, "count": count}
        | {"y": ArrayLayout(8, g.neurons)}
    )


def second_layout(g: Geometry) -> ArrayLayout:
    """Layout of the second operands for the columns that the neurons compute
    in the same cycle."""
    return ArrayLayout(SECOND_BITS, g.neurons)


def pass_layout(g: Geometry) -> StructLayout:
    """Layout of a pass as the sequencer issues it: the settings for scanner, noise
    generator and readout."""
    return StructLayout({"feed": feed_layout(g), "noise": noise_layout(g), "readout": readout_layout(g)})


def energy_shape(g: Geometry) -> Shape:
    """Shape of a pass's energy S, the sum of its squared inputs."""
    return unsigned(bits_for(g.energy_max))


def column_shape(g: Geometry) -> Shape:
    """Shape of a lane's accumulator."""
    return signed(g.accumulator_bits)
