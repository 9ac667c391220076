"""lanes: memories of device states, which are read for the products of the forward and
backward pass and changed by pulses."""

from typing import Any

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout, View
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import CODE_SHIFT, WEIGHT_MAX
from ndrite.hdl.learn.events import Events, law_layout, pulsed_row_layout
from ndrite.hdl.learn.step_tables import step_access_layout, step_layout
from ndrite.hdl.learn.updater import PRODUCTS, table_write_layout
from ndrite.hdl.learn.words import (
    CODE_SHAPE,
    ERROR_SHAPE,
    STATE_SHAPE,
    TRAIN_BITS,
    address_bits,
    error_layout,
    poke_layout,
    row_layout,
    train_layout,
)
from ndrite.hdl.parts.layouts import column_shape, members
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.multiplier import FAR, MULTIPLY_LATENCY, WIDEST, Multiplier
from ndrite.hdl.parts.pipeline import adder_tree, delayed
from ndrite.hdl.parts.target import unmerged

SHARE = 16
"""Largest number of lanes that share an updater."""
NEAR = 1
"""Cycles from a port to the registers of a group of up to SHARE lanes, since the groups
are spread over the chip."""
CODE_STAGE = NEAR + READ_LATENCY + 1
PRODUCT_STAGE = CODE_STAGE + FAR + MULTIPLY_LATENCY
"""Cycles from ``row`` to the products of its states."""
SUM_STAGE = PRODUCT_STAGE + 1
"""Cycles from ``row`` until the accumulators include the products of its states."""
PEEK_LATENCY = NEAR + READ_LATENCY + 3
"""Cycles from ``row`` and ``peek_lane`` to ``peeked``."""
PORTS = (
    "row",
    "shift",
    "error",
    "train",
    "forget",
    "take",
    "updating",
    "backward",
    "pulsed",
    "table",
    "poke",
    "law",
)
"""Ports for which every lane group has registers of its own."""


def group_count(g: Geometry) -> int:
    """Return the number of lane groups, a power of two; the lanes of a group share an
    updater. Lane i is in group i modulo this number, so that even a layer of few
    columns uses all updaters."""
    return 1 << ceil_log2(-(-g.lanes // SHARE))


def tree_levels(g: Geometry) -> int:
    """Return the number of levels of the adder tree over lanes."""
    return bits_for(g.lanes - 1) if g.lanes > 1 else 0


def total_stage(g: Geometry) -> int:
    """Return the number of cycles from a command on ``row`` to the sum over all
    lanes on ``total``."""
    return PRODUCT_STAGE + tree_levels(g)


class Lanes(wiring.Component):
    """Builds one column of devices per lane, and reads, sums and pulses their
    states. Every read takes the states at row address ``row.address`` in all lanes,
    rounded to 9-bit codes.

    - Forward: ``row.add`` adds x * w[i] to sum[i]. ``row.end`` moves the sums to
      ``columns`` and restarts them at 0. Both take SUM_STAGE cycles. ``columns`` shows
      the first sums; ``shift`` moves the next ones there a cycle later.
    - Backward: ``total`` is the sum of error[i] * w[i] over all lanes, PRODUCT_STAGE
      cycles later and one more for each level of the tree.
    - Update: ``forget`` clears errors and trains. ``error`` and ``train`` then set them
      for a layer's next update, and ``take`` starts the update. While ``updating``, the
      rows on ``pulsed`` change the states of the devices whose row and lane pulse in
      the same slot (``Events``), and no row is read. ``more``: devices that take their
      pulses one after the other have some left.
    - With step tables, ``step_access`` writes the tables of all updaters. ``step`` is
      the word that it reads from the first of them, NEAR + READ_LATENCY cycles later.

    Resources: a lane has a multiplier, a memory of weight_depth states of 18 bits and
    about 120 LUTs; up to SHARE lanes share an ``Events`` of about 3,000 LUTs, to which
    four lend their multipliers while ``updating``.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        g = geometry
        lane = range(max(g.lanes, 2))
        self.total_bits = 18 + tree_levels(g)
        super().__init__(
            {
                "row": In(row_layout(g)),
                "backward": In(1),
                "shift": In(1),
                "columns": Out(ArrayLayout(column_shape(g), g.readouts)),
                "total": Out(signed(self.total_bits)),
                "error": In(error_layout(g)),
                "train": In(train_layout(g)),
                "forget": In(1),
                "take": In(1),
                "updating": In(1),
                "pulsed": In(pulsed_row_layout()),
                "room": Out(1),
                "waiting": Out(1),
                "busy": Out(1),
                "law": In(law_layout(g)),
                "table": In(table_write_layout()),
                "pulses": Out(32),
                "more": Out(1),
                "poke": In(poke_layout(g)),
                "peek_lane": In(lane),
                "peeked": Out(STATE_SHAPE),
            }
            | (
                {"step_access": In(step_access_layout(g)), "step": Out(step_layout())}
                if g.step_tables
                else {}
            )
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        columns = [Signal(column_shape(g), name=f"column_{i}", reset_less=True) for i in range(g.lanes)]
        products: list[Value] = []
        parts: list[Events] = []
        peek = delayed(m, self.peek_lane, NEAR + READ_LATENCY, "peek_lane")
        groups = group_count(g)
        for first in range(groups):
            lanes = range(first, g.lanes, groups)
            m.submodules[f"events_{first}"] = events = Events(g, lanes)
            ports = (*PORTS, "step_access") if g.step_tables else PORTS
            near = {
                name: unmerged(m, platform, port, f"{name}_{first}")
                for name, port in members(self, ports).items()
            }
            address = Mux(self.updating, events.address, self.row.address)
            near["address"] = unmerged(m, platform, address, f"address_{first}")
            near["written"] = self._written(m, events, near, first)
            parts.append(events)
            m.d.comb += [
                events.row.eq(near["pulsed"]),
                events.law.eq(near["law"]),
                events.table.eq(near["table"]),
                events.clear.eq(near["take"]),
                events.updating.eq(near["updating"]),
                events.peek_lane.eq(peek // groups),
            ]
            if g.step_tables:
                m.d.comb += events.step_access.eq(near["step_access"])
            x = delayed(m, near["row"].x, CODE_STAGE - NEAR, f"x_{first}")
            end = delayed(m, near["row"].end, PRODUCT_STAGE - NEAR, f"end_{first}")
            add = delayed(m, near["row"].add, PRODUCT_STAGE - NEAR, f"add_{first}")
            for i in range(len(lanes), len(PRODUCTS)):
                m.submodules[f"multiplier_{first}_{i}"] = multiplier = _wide()
                m.d.sync += [multiplier.a.eq(events.factors[i].a), multiplier.b.eq(events.factors[i].b)]
                m.d.comb += events.products[i].eq(multiplier.product)
            for i in lanes:
                product = self._lane(m, events, near, i, x)
                products.append(product)
                total = Signal(column_shape(g), name=f"sum_{i}", reset_less=True)
                with m.If(end):
                    m.d.sync += [columns[i].eq(total), total.eq(0)]
                with m.Elif(near["shift"]):
                    m.d.sync += columns[i].eq(columns[i + g.readouts] if i + g.readouts < g.lanes else 0)
                with m.If(add):
                    m.d.sync += total.eq(total + product)
        group = delayed(m, peek % groups, 2, "peek_group")
        m.d.sync += [
            self.room.eq(Cat(part.room for part in parts).all()),
            self.waiting.eq(Cat(part.waiting for part in parts).any()),
            self.busy.eq(Cat(part.busy for part in parts).any()),
            self.more.eq(Cat(part.more for part in parts).any()),
            self.peeked.eq(Array(part.peeked for part in parts)[group]),
        ]
        m.d.comb += [
            Cat(*self.columns).eq(Cat(columns[: g.readouts])),
            self.total.eq(adder_tree(m, products, "product")),
            self.pulses.eq(adder_tree(m, [part.pulses for part in parts], "pulses")),
        ]
        if g.step_tables:
            m.d.comb += self.step.eq(parts[0].step)
        return m

    def _written(self, m: Module, events: Events, near: dict[str, Any], first: int) -> View:
        """Return address and data for a write into the lanes of a lane group, which are
        written one at a time."""
        states = StructLayout({"address": address_bits(self.geometry), "data": STATE_SHAPE})
        written = Signal(states, name=f"written_{first}", reset_less=True)
        with m.If(near["updating"]):
            m.d.sync += [written.address.eq(events.write_address), written.data.eq(events.write_data)]
        with m.Else():
            m.d.sync += [written.address.eq(near["poke"].address), written.data.eq(near["poke"].data)]
        return written

    def _lane(self, m: Module, events: Events, near: dict[str, Any], i: int, x: Value) -> Value:
        """Build lane ``i``, and return the product of its device state (which
        ``events`` changes) and the input ``x``."""
        m.submodules[f"states_{i}"] = memory = RegisteredMemory(STATE_SHAPE, self.geometry.weight_depth)
        place, poke, updating = events.lanes.index(i), near["poke"], near["updating"]
        write = Signal(name=f"write_{i}")
        m.d.sync += write.eq((poke.write & (poke.lane == i)) | events.write[place])
        m.d.comb += [
            memory.address.eq(near["address"]),
            memory.write.eq(write),
            memory.write_address.eq(near["written"].address),
            memory.write_data.eq(near["written"].data),
            events.data[place].eq(memory.data),
        ]
        rounded = Signal(signed(11), name=f"rounded_{i}")
        code = Signal(CODE_SHAPE, name=f"code_{i}", reset_less=True)
        # This is clip(rshift_round(state, 8), -255, 255) without a comparator, which
        # would be a third of a lane's LUTs.
        high = rounded[CODE_SHIFT:]
        lowest = high.all() & ~rounded[:CODE_SHIFT].any()
        m.d.comb += rounded.eq((memory.data >> CODE_SHIFT) + memory.data[CODE_SHIFT - 1])
        m.d.sync += code.eq(rounded | lowest)
        with m.If(high.any() & ~high.all()):
            m.d.sync += code.eq(Mux(rounded < 0, -WEIGHT_MAX, WEIGHT_MAX))
        error, up = Signal(ERROR_SHAPE, name=f"error_{i}"), Signal(name=f"up_{i}")
        loaded, train = Signal(TRAIN_BITS, name=f"loaded_{i}"), Signal(TRAIN_BITS, name=f"train_{i}")
        for store, source in ((error, near["error"]), (loaded, near["train"])):
            # Reset before enable, so that the flip-flop's own reset is used instead of LUTs.
            with m.If(near["forget"]):
                m.d.sync += store.eq(0)
            with m.Elif(source.valid & (source.lane == i)):
                m.d.sync += store.eq(source.value)
        with m.If(near["take"]):
            m.d.sync += [train.eq(loaded), up.eq(error >= 0)]
        m.d.comb += [events.trains[place].eq(train), events.up[place].eq(up)]
        lends = place < len(PRODUCTS)
        multiplier = _wide() if lends else Multiplier(CODE_SHAPE, ERROR_SHAPE)
        m.submodules[f"multiplier_{i}"] = multiplier
        # Each lane has its own operand registers, since the sources are spread over the die.
        a, b = (Signal.like(port, name=f"{port.name}_{i}") for port in (multiplier.a, multiplier.b))
        m.d.comb += [multiplier.a.eq(a), multiplier.b.eq(b)]
        m.d.sync += [a.eq(code), b.eq(Mux(near["backward"], error, x))]
        if lends:
            with m.If(updating):
                m.d.sync += [a.eq(events.factors[place].a), b.eq(events.factors[place].b)]
            m.d.comb += events.products[place].eq(multiplier.product)
        product: Value = multiplier.product[: CODE_SHAPE.width + ERROR_SHAPE.width].as_signed()
        return product


def _wide() -> Multiplier:
    return Multiplier(signed(WIDEST), signed(WIDEST))
