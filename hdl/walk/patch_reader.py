"""patch_reader: reads the patches of a map as words of eight codes."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.walk_record import HEADER
from ndrite.hdl.parts.bus import load_members
from ndrite.hdl.parts.layouts import Ports, Sized, bank_bits, next_bank
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.walk.map_memory import MAP_LATENCY, reader_ports
from ndrite.hdl.walk.places import Countdown
from ndrite.hdl.walk.records import CHUNK_LAYOUT, STEP_LAYOUT


class Packer(Sized):
    """Packs codes contiguously into words; each group of channels starts a new word.
    ``loaded`` is set with a patch's last word.

    Patches go to the banks in turn, ``bank`` is that of the one being packed. No chunk
    may follow in the cycle behind a group's last, unless a group is whole words.
    Latency: 3 cycles. Resources: about 400 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "chunk": In(CHUNK_LAYOUT),
            "bank": Out(bank_bits(g)),
            "loaded": Out(1),
            "loaded_bank": Out(bank_bits(g)),
            **load_members(g, Out),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chunk, width = self.chunk, 8 * WORD_ROWS
        # Stage 1: append the chunk's codes to the codes left over from the previous chunk.
        fill = Signal(exact_log2(WORD_ROWS))
        total = fill + chunk.count
        shifted, shifted_total = Signal(2 * width), Signal(5)
        valid, group_end, patch_end = Signal(), Signal(), Signal()
        m.d.sync += [
            shifted.eq(chunk.codes.as_value() << (fill << 3)),
            shifted_total.eq(total),
            valid.eq(chunk.valid),
            group_end.eq(chunk.group_end),
            patch_end.eq(chunk.patch_end),
        ]
        with m.If(chunk.valid):
            m.d.sync += fill.eq(Mux(chunk.group_end, 0, total))
        # Stage 2: a full word is sent and the remaining codes are kept; at the end of a
        # group of channels, the remaining codes are sent too.
        carried_codes, carried_count, flush, flush_end = Signal(width), Signal(4), Signal(), Signal()
        merged, full, word = (
            Signal(2 * width),
            Signal(),
            Signal(exact_log2(self.geometry.max_inputs // WORD_ROWS)),
        )
        going, last = Signal(), Signal()
        m.d.comb += [merged.eq(shifted | carried_codes), full.eq(shifted_total >= WORD_ROWS)]
        with m.If(valid):
            over = group_end & (shifted_total > WORD_ROWS)
            m.d.comb += [going.eq(full | group_end), last.eq(patch_end & ~over)]
            m.d.sync += [
                carried_codes.eq(Mux(full, merged[width:], Mux(group_end, 0, merged[:width]))),
                flush.eq(over),
                flush_end.eq(patch_end),
                carried_count.eq(shifted_total - WORD_ROWS),
            ]
        with m.Elif(flush):
            m.d.comb += [going.eq(1), last.eq(flush_end)]
            m.d.sync += [carried_codes.eq(0), flush.eq(0)]
        count = Mux(valid, Mux(full, WORD_ROWS, shifted_total), carried_count)
        m.d.sync += [
            self.load.eq(Mux(going, (Const(1, WORD_ROWS + 1) << count[:4]) - 1, 0)),
            self.load_address.eq((self.bank << len(word)) | word),
            self.load_data.eq(Mux(valid, merged[:width], carried_codes)),
            self.loaded.eq(last),
            self.loaded_bank.eq(self.bank),
        ]
        with m.If(going):
            m.d.sync += word.eq(Mux(last, 0, word + 1))
        with m.If(last):
            m.d.sync += self.bank.eq(next_bank(self.bank))
        return m


AHEAD = 4
"""Number of chunks that may wait for the memory."""
CHUNK_LATENCY = MAP_LATENCY + 1
"""Cycles from a request that is ``granted`` to its ``chunk``."""
COORDINATE = signed(18)


class Run:
    """Number of channels that a group of a grouped convolution reads at each kernel
    position (``size``), and whether a single chunk holds them (``short``). That number
    is ``share`` for each group but the last, and ``last_share`` for the last; both are
    constant during a step.

    ``first`` and ``following`` return the assignments for the beginning of a patch and
    of its next group, including those of ``now``, the number of channels left.
    Resources: about 50 LUTs.
    """

    def __init__(self, m: Module, share: Value, last_share: Value, groups: Countdown) -> None:
        self.size, self.short = Signal.like(share, name="run_size"), Signal(name="run_short")
        sizes, single = (share, last_share), groups.turns == 1
        self._shorts = tuple(Signal(name=f"run_short_{i}") for i in range(2))
        self._head, self._head_short = Signal.like(share, name="head_size"), Signal(name="head_short")
        self._next_is_last = groups.left == 2
        m.d.sync += [short.eq(size <= WORD_ROWS) for short, size in zip(self._shorts, sizes, strict=True)]
        m.d.sync += [self._head.eq(Mux(single, *sizes[::-1])), self._head_short.eq(self._head <= WORD_ROWS)]
        self._next = Mux(self._next_is_last, *sizes[::-1]), Mux(self._next_is_last, *self._shorts[::-1])

    def first(self, now: tuple[Signal, Signal]) -> list[Any]:
        """Return the assignments that begin a patch at its first group of channels."""
        return self._to(now, self._head, self._head_short)

    def following(self, now: tuple[Signal, Signal]) -> list[Any]:
        """Return the assignments that begin the next group of channels of a patch."""
        return self._to(now, *self._next)

    def _to(self, now: tuple[Signal, Signal], size: Value, short: Value) -> list[Any]:
        left, last = now
        return [left.eq(size), self.size.eq(size), last.eq(short), self.short.eq(short)]


class PatchReader(wiring.Component):
    """Reads the patches of a map row by row of the output grid, each patch in the order
    that ``ndrite.emulator.spec.walk_record.STEP`` defines; then those of the next of
    ``samples`` samples, whose map lies ``span`` codes behind.

    ``begin`` starts with the patches of ``step``, which is valid ten cycles before and
    must not change meanwhile. A patch begins (``began``) when ``may`` is high;
    ``pause`` idle cycles follow each group. Codes outside the map are the step's
    ``border``. ``done``: the last chunk was granted.

    Latency: CHUNK_LATENCY. Throughput: a chunk a cycle. Resources: about 800 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        if not geometry.map_codes:
            raise ValueError("map_codes is 0; accepted: above 0, since a walker needs a map memory")
        super().__init__(
            {
                "step": In(STEP_LAYOUT),
                "samples": In(HEADER["samples"][2]),
                "span": In(HEADER["span"][2]),
                "begin": In(1),
                "may": In(1),
                "began": Out(1),
                **reader_ports(geometry, WORD_ROWS),
                "chunk": Out(CHUNK_LAYOUT),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step, bits = self.step, len(self.address)
        running, fresh = Signal(), Signal()
        # Address of the present chunk, and address of the first channel of the
        # present kernel column, kernel row, group of channels, patch, row of
        # patches and sample.
        names = ("spot", "column_at", "row_at", "group_at", "patch_at", "line_at", "sample_at")
        spot, column_at, row_at, group_at, patch_at, line_at, sample_at = (
            Signal(bits, name=n) for n in names
        )
        x, patch_x, y, patch_y = (Signal(COORDINATE, name=n) for n in ("x", "patch_x", "y", "patch_y"))
        left, run_last = Signal(16), Signal()
        counted = ("kernel_columns", "kernel_rows", "groups", "grid_columns", "grid_rows")
        columns, rows, groups, across, down = (Countdown(m, step[name], name) for name in counted)
        samples = Countdown(m, self.samples, "samples")
        run = Run(m, step.share, step.last_share, groups)
        read_layout = StructLayout(
            {"address": bits, "x": COORDINATE, "y": COORDINATE, "count": 4} | {"group_end": 1, "patch_end": 1}
        )
        # The memory's grant arrives too late in the cycle to gate these registers: a
        # queue decouples them.
        m.submodules.queue = queue = Queue(read_layout, AHEAD)
        now, waiting, move, read_granted = queue.i.payload, queue.o.payload, Signal(), Signal()
        pause, pausing = Signal.like(step.pause), Signal()
        run_end, row_end, group_end, patch_end = run_last, Signal(), Signal(), Signal()
        m.d.comb += [
            row_end.eq(run_end & columns.last),
            group_end.eq(row_end & rows.last),
            patch_end.eq(group_end & groups.last),
            move.eq(running & queue.i.ready & (~fresh | self.may)),
            self.began.eq(move & fresh),
            queue.i.valid.eq(move),
            read_granted.eq(self.request & self.granted),
            queue.o.ready.eq(read_granted),
            self.request.eq(queue.o.valid & ~pausing),
            self.address.eq(waiting.address),
            now.address.eq(spot),
            now.x.eq(x),
            now.y.eq(y),
            now.count.eq(Mux(run_end, left[:4], WORD_ROWS)),
            now.group_end.eq(group_end),
            now.patch_end.eq(patch_end),
        ]
        with m.If(read_granted & waiting.group_end):
            m.d.sync += [pause.eq(step.pause), pausing.eq(step.pause != 0)]
        with m.Elif(pausing):
            m.d.sync += [pause.eq(pause - 1), pausing.eq(pause != 1)]
        m.d.sync += self.done.eq(~running & ~self.begin & (queue.level == 0))
        hop = Mux(step.flat, WORD_ROWS, 0)
        next_column, next_row = Signal(bits), Signal(bits)
        m.d.comb += [next_column.eq(column_at + step.pixel), next_row.eq(row_at + step.line)]
        with m.If(move):
            m.d.sync += [
                fresh.eq(0),
                spot.eq(spot + WORD_ROWS),
                x.eq(x + hop),
                left.eq(left - WORD_ROWS),
                run_last.eq(left <= 2 * WORD_ROWS),
            ]
            with m.If(run_end):
                m.d.sync += [
                    *columns.down(),
                    left.eq(run.size),
                    run_last.eq(run.short),
                    x.eq(x + step.column_hop),
                    *self._moved((column_at, spot), next_column),
                ]
            with m.If(row_end):
                m.d.sync += [
                    *columns.again(),
                    *rows.down(),
                    x.eq(patch_x),
                    y.eq(y + step.row_hop),
                    *self._moved((row_at, column_at, spot), next_row),
                ]
            with m.If(group_end):
                m.d.sync += [
                    *rows.again(),
                    y.eq(patch_y),
                    *groups.down(),
                    *run.following((left, run_last)),
                    *self._moved((group_at, row_at, column_at, spot), group_at + step.share),
                ]
            with m.If(patch_end):
                patches = (patch_at, group_at, row_at, column_at, spot)
                m.d.sync += [
                    fresh.eq(1),
                    *groups.again(),
                    *run.first((left, run_last)),
                    *across.down(),
                    *self._moved(patches, patch_at + step.stride_codes),
                    *self._moved((patch_x, x), patch_x + step.stride_columns),
                ]
                with m.If(across.last):
                    m.d.sync += [
                        *across.again(),
                        *down.down(),
                        *self._moved((line_at, *patches), line_at + step.stride_line),
                        *self._moved((patch_x, x), step.first_column.as_signed()),
                        *self._moved((patch_y, y), patch_y + step.stride_rows),
                    ]
                with m.If(across.last & down.last):
                    m.d.sync += [
                        *down.again(),
                        *samples.down(),
                        running.eq(~samples.last),
                        *self._moved((sample_at, line_at, *patches), sample_at + self.span),
                        *self._moved((patch_y, y), step.first_row.as_signed()),
                    ]
        with m.If(self.begin):
            all_of_them = (sample_at, line_at, patch_at, group_at, row_at, column_at, spot)
            m.d.sync += [
                running.eq(1),
                fresh.eq(1),
                *self._moved(all_of_them, step.start),
                *self._moved((patch_x, x), step.first_column.as_signed()),
                *self._moved((patch_y, y), step.first_row.as_signed()),
                *run.first((left, run_last)),
                *(count.again() for count in (columns, rows, groups, across, down, samples)),
            ]
        self._chunks(m, waiting, read_granted)
        return m

    @staticmethod
    def _moved(these: tuple[Signal, ...], to: object) -> list[object]:
        return [signal.eq(to) for signal in these]

    def _chunks(self, m: Module, waiting: Signal, taken: Signal) -> None:
        """Mark, while the memory reads, which of the eight codes of a word lie on the
        map and which of them were requested."""
        step = self.step
        before, ahead = Signal(4), Signal(4)
        columns_right = step.columns - waiting.x
        inside = Signal()
        # Of the eight codes of a word, those from index ``before`` up to ``ahead`` - 1
        # belong to the map.
        with m.If(step.flat):
            m.d.sync += [
                before.eq(Mux(waiting.x >= 0, 0, Mux(waiting.x > -WORD_ROWS, -waiting.x, WORD_ROWS))),
                ahead.eq(Mux(columns_right < 0, 0, Mux(columns_right < WORD_ROWS, columns_right, WORD_ROWS))),
            ]
        with m.Else():
            m.d.sync += [before.eq(0), ahead.eq(Mux((waiting.x >= 0) & (columns_right > 0), WORD_ROWS, 0))]
        m.d.sync += inside.eq((waiting.y >= 0) & (waiting.y < step.rows))
        on_map = Signal(WORD_ROWS)
        m.d.sync += on_map.eq(Cat(inside & (before <= i) & (ahead > i) for i in range(WORD_ROWS)))
        on_map = delayed(m, on_map, MAP_LATENCY - 2, "on_map")
        names = ("count", "group_end", "patch_end")
        valid = delayed(m, taken, MAP_LATENCY, "taken")
        now = {name: delayed(m, waiting[name], MAP_LATENCY, name) for name in names}
        m.d.sync += [self.chunk.valid.eq(valid), *(self.chunk[name].eq(now[name]) for name in names)]
        for i in range(WORD_ROWS):
            code = Mux(on_map[i], self.data.word_select(i, 8), step.border)
            m.d.sync += self.chunk.codes[i].eq(Mux(now["count"] > i, code, 0))
