"""events: applies pulses to the devices of some lanes, one device per cycle, for rows
that wait in a queue."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import SLOTS_MAX
from ndrite.hdl.learn.step_tables import step_access_layout, step_layout
from ndrite.hdl.learn.updater import (
    UPDATE_LATENCY,
    Updater,
    factors_layout,
    products_layout,
    table_write_layout,
)
from ndrite.hdl.learn.words import INDEX_BITS, STATE_SHAPE, TRAIN_BITS, address_bits
from ndrite.hdl.parts.memory import READ_LATENCY
from ndrite.hdl.parts.pipeline import Queue, delayed, delayed_in_memory

ADDRESS_LATENCY = 1
"""Cycles from ``address`` and ``write`` to the memories of the lanes, which have
registers for them."""
DEPTH = 64
"""Number of rows that may wait in the queue: so many that the queue is made of block
RAM and not of LUTs."""
MARGIN = 12
"""Number of rows that may still come after ``room`` has fallen."""
EVENT_STAGE = ADDRESS_LATENCY + READ_LATENCY + 4
"""Cycles from a device's turn until its state arrives at the updater."""
COUNT_LATENCY = 5
"""Cycles from a device's turn until its pulses are counted, minus one."""
EVENT_LATENCY = EVENT_STAGE + UPDATE_LATENCY + ADDRESS_LATENCY
"""Cycles from a device's turn to the write of its new state."""


def pulsed_row_layout() -> StructLayout:
    """Layout of a row's pulse train, sent to all lanes; ``turned``: the row's chopper
    reverses its pulses."""
    return StructLayout({"valid": 1, "row": INDEX_BITS, "turned": 1, "train": TRAIN_BITS})


def law_layout(g: Geometry) -> StructLayout:
    """Layout of the settings for pulsing the devices of a layer: address of their
    states, keys, slopes. ``serial``: devices take one pulse at a time; ``passed`` is
    the number of pulses that they have had in this update. ``tabled``: steps follow the
    step tables of the record."""
    return StructLayout(
        {
            "at_state": address_bits(g),
            "device_key": 64,
            "cycle_key": 64,
            "layer": range(g.layers),
            "record": range(g.layers),
            "slope_up": signed(18),
            "slope_down": signed(18),
            "step_shift": 5,
            "serial": 1,
            "passed": range(SLOTS_MAX + 1),
        }
        | ({"tabled": 1} if g.step_tables else {})
    )


class Events(wiring.Component):
    """Finds the devices whose row and lane have a pulse in the same time slot; reads,
    changes and writes back their states.

    Rows come one per cycle. Pairs without a pulse take no cycle: few devices have
    pulses in an update, so the lanes share an updater. ``trains`` and ``up`` are those
    of the lanes and must not change meanwhile. ``address`` goes to the memories of all
    lanes; their ``data`` comes ADDRESS_LATENCY + READ_LATENCY cycles later. Unless
    ``updating``, ``peeked`` is the data of ``peek_lane``, two cycles after it.
    ``pulses`` counts pulses since ``clear``; it is complete COUNT_LATENCY cycles after
    no row is ``waiting``. All states are written once ``busy`` is low.

    If the law is ``serial``, rows come once for each pulse of the device that gets
    most: a device takes one pulse per pass, until it has had as many pulses as
    coincidences. ``more``: some device has pulses left after pass number
    ``law.passed``; it is valid when ``pulses`` is complete. A pass begins when ``busy``
    is low: it reads the states that the previous pass has written.

    ``factors`` and ``products`` are those of the updater. Throughput: one row, and one
    device with pulses, per cycle. Latency: EVENT_LATENCY from a device's turn to
    ``write``. Resources: an ``Updater``, a queue of DEPTH rows, an adder of 31 bits.
    """

    def __init__(self, geometry: Geometry, lanes: range) -> None:
        self.geometry, self.lanes = geometry, lanes
        address, count = address_bits(geometry), len(lanes)
        super().__init__(
            {
                "row": In(pulsed_row_layout()),
                "room": Out(1),
                "waiting": Out(1),
                "busy": Out(1),
                "trains": In(ArrayLayout(TRAIN_BITS, count)),
                "up": In(count),
                "law": In(law_layout(geometry)),
                "table": In(table_write_layout()),
                "factors": Out(factors_layout()),
                "products": In(products_layout()),
                "address": Out(address),
                "data": In(ArrayLayout(STATE_SHAPE, count)),
                "updating": In(1),
                "peek_lane": In(range(max(count, 2))),
                "peeked": Out(STATE_SHAPE),
                "write": Out(count),
                "write_address": Out(address),
                "write_data": Out(STATE_SHAPE),
                "clear": In(1),
                "pulses": Out(32),
                "more": Out(1),
            }
            | (
                {"step_access": In(step_access_layout(geometry)), "step": Out(step_layout())}
                if geometry.step_tables
                else {}
            )
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, row, law = len(self.lanes), self.row, self.law
        entry = StructLayout(
            {"hits": lanes, "left": range(max(lanes, 2)), "row": INDEX_BITS, "turned": 1, "train": TRAIN_BITS}
        )
        m.submodules.waiting = waiting = Queue(entry, DEPTH)
        hits = Signal(lanes)
        came, came_late = Signal(), Signal()
        m.d.sync += [
            hits.eq(Cat((row.train & self.trains[i]).any() for i in range(lanes))),
            waiting.i.payload.hits.eq(hits),
            waiting.i.payload.left.eq(sum(hits) - 1),
            waiting.i.payload.row.eq(delayed(m, row.row, 1, "row")),
            waiting.i.payload.turned.eq(delayed(m, row.turned, 1, "turned")),
            waiting.i.payload.train.eq(delayed(m, row.train, 1, "train")),
            waiting.i.valid.eq(came & hits.any()),
            came.eq(row.valid),
            came_late.eq(came),
            self.room.eq(waiting.level < DEPTH - MARGIN),
        ]

        # ``more``: the row has further devices with pulses after the present device.
        # They were counted before the row was queued.
        now, busy, more = Signal(entry), Signal(), Signal()
        lowest_hit = Signal(lanes)
        lane = Signal(range(max(lanes, 2)))
        m.d.comb += lowest_hit.eq(now.hits & ~(now.hits - 1))
        for i in range(lanes):
            with m.If(lowest_hit[i]):
                m.d.comb += lane.eq(i)
        m.d.comb += waiting.o.ready.eq(~busy | ~more)
        with m.If(waiting.o.valid & waiting.o.ready):
            m.d.sync += [now.eq(waiting.o.payload), busy.eq(1), more.eq(waiting.o.payload.left != 0)]
        with m.Else():
            m.d.sync += [
                now.hits.eq(now.hits & ~lowest_hit),
                now.left.eq(now.left - 1),
                more.eq(now.left > 1),
            ]
            with m.If(~more):
                m.d.sync += busy.eq(0)

        # The registers that a device passes through: its index, then its row address
        # and common pulses (selected in two pipeline stages), then the number of common
        # pulses. Its state arrives ADDRESS_LATENCY + 2 cycles after the address.
        place = StructLayout({"row": INDEX_BITS, "lane": lane.shape()})
        first, turn = Signal(place, reset_less=True), Signal(place, reset_less=True)
        coincidences = Signal(TRAIN_BITS, reset_less=True)
        number = Signal.like(self.address)
        m.d.sync += [
            first.row.eq(now.row),
            first.lane.eq(lane),
            number.eq(law.at_state + first.row),
            turn.eq(first),
        ]
        m.d.comb += self.address.eq(number)
        some_trains = _fourth(m, [self.trains[i] for i in range(lanes)], first.lane, "train")
        m.d.sync += coincidences.eq(delayed(m, now.train, 2, "now_train") & some_trains[turn.lane[2:]])
        up = Signal(reset_less=True)
        m.d.sync += up.eq(self.up.bit_select(turn.lane, 1) ^ delayed(m, now.turned, 2, "now_turned"))
        some = [Signal(4, name=f"some_{i}", reset_less=True) for i in range(0, TRAIN_BITS, 8)]
        count = Signal(range(SLOTS_MAX + 1), reset_less=True)
        for i, part in enumerate(some):
            m.d.sync += part.eq(sum(coincidences[8 * i : 8 * i + 8]))
        m.d.sync += count.eq(sum(some))
        valid, any_valid = Signal(EVENT_LATENCY), Signal()
        counted, largest = valid[COUNT_LATENCY - 1], Signal.like(count)
        m.d.sync += [valid.eq(Cat(busy, valid)), any_valid.eq(busy | valid[:-1].any())]
        m.d.sync += valid[COUNT_LATENCY].eq(counted & (count > law.passed))
        with m.If(self.clear):
            m.d.sync += [self.pulses.eq(0), largest.eq(0)]
        with m.Elif(counted & (law.passed == 0)):
            m.d.sync += self.pulses.eq(self.pulses + count)
            with m.If(count > largest):
                m.d.sync += largest.eq(count)
        m.d.comb += self.more.eq(largest > law.passed + 1)
        taken = Signal.like(count)
        m.d.comb += taken.eq(Mux(law.serial, 1, count))

        late = delayed(m, turn, EVENT_STAGE - 2, "turn")
        # Two pipeline stages: the block RAMs are spread over the die, and their data
        # arrives late in the cycle.
        chosen = Signal(lane.shape())
        read = delayed(m, turn.lane, ADDRESS_LATENCY + READ_LATENCY, "lane_read")
        m.d.comb += chosen.eq(Mux(self.updating, read, self.peek_lane))
        some_states = _fourth(m, [self.data[i] for i in range(lanes)], chosen, "state")
        state = Signal(STATE_SHAPE, reset_less=True)
        m.d.sync += state.eq(some_states[delayed(m, chosen[2:], 1, "fourth")])
        m.d.comb += self.peeked.eq(state)
        m.submodules.updater = updater = Updater(self.geometry)
        m.d.comb += [
            updater.event.row.eq(late.row),
            updater.event.column.eq(self.lanes.start + self.lanes.step * late.lane),
            updater.event.count.eq(delayed(m, taken, EVENT_STAGE - COUNT_LATENCY, "count")),
            updater.event.up.eq(delayed(m, up, EVENT_STAGE - 3, "up")),
            updater.event.state.eq(state),
            updater.table.eq(self.table),
            updater.device_key.eq(law.device_key),
            updater.cycle_key.eq(law.cycle_key),
            self.factors.eq(updater.factors),
            updater.products.eq(self.products),
            updater.slope_up.eq(law.slope_up),
            updater.slope_down.eq(law.slope_down),
            updater.step_shift.eq(law.step_shift),
        ]
        if self.geometry.step_tables:
            m.d.comb += [
                updater.tabled.eq(law.tabled),
                updater.record.eq(law.record),
                updater.step_access.eq(self.step_access),
                self.step.eq(updater.step),
            ]
        done = delayed_in_memory(m, late.lane, UPDATE_LATENCY - 1, "lane_done")
        waiting_now = came | came_late | (waiting.level != 0) | busy
        m.d.sync += [self.waiting.eq(waiting_now), self.busy.eq(waiting_now | any_valid)]
        m.d.comb += [
            self.write_address.eq(
                delayed_in_memory(m, number, EVENT_LATENCY - ADDRESS_LATENCY - 2, "number")
            ),
            self.write_data.eq(updater.state),
        ]
        for i in range(lanes):
            m.d.sync += self.write[i].eq(valid[EVENT_LATENCY - ADDRESS_LATENCY - 2] & (done == i))
        return m


def _fourth(m: Module, values: list[Value], index: Value, name: str) -> Array:
    """Select one of every four ``values`` by the low two bits of ``index``, and
    register the selected values. In the next cycle the caller selects among them by
    the remaining bits."""
    candidates = []
    for i in range(0, len(values), 4):
        four = values[i : i + 4]
        quarter = Signal(four[0].shape(), name=f"{name}_{i // 4}", reset_less=True)
        m.d.sync += quarter.eq(Array(four)[index[:2]])
        candidates.append(quarter)
    return Array(candidates)
