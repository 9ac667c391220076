"""Walks: what a program is lowered to, where maps lie, and the gateware that goes through it."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

HAND = ("tests/emulator/spec/test_walk.py",)
READER = ("tests/hdl/walk/test_walk_blocks.py", "-k", "test_patches_are")
PLACES = ("tests/hdl/walk/test_walk_blocks.py", "-k", "test_results_go")
DEVICE = ("tests/system/test_walk.py",)
LOWERING, WALK, ROOM = "emulator/spec/lowering.py", "emulator/spec/walk.py", "emulator/spec/map_places.py"
READ, PLACE, WALKER = "hdl/walk/patch_reader.py", "hdl/walk/places.py", "hdl/walk/walker.py"
SEQUENCER = "hdl/control/sequencer.py"

MUTANTS = (
    Mutant(
        LOWERING,
        "saved = {m: self.copy(m) for m in sorted(overwritten & set(sources))}",
        "saved: dict[int, int] = {}",
        "a state is read after it was overwritten",
        HAND,
    ),
    Mutant(
        LOWERING,
        "ours.append(self.copy(source) if source in placed or source in ours else source)",
        "ours.append(self.copy(source) if source in placed else source)",
        "a map joined with itself is not copied",
        HAND,
    ),
    Mutant(LOWERING, "bias=step.offset.astype(np.int32),", "", "tables without offsets", HAND),
    Mutant(
        LOWERING,
        "return self.copy(source) if source == SAMPLE and self.program.calls > 1 else source",
        "return source",
        "gates see the first call's inputs only",
        HAND,
    ),
    Mutant(
        ROOM, "if since <= end and until >= begin]", "if since < end and until > begin]", "maps overlap", HAND
    ),
    Mutant(
        ROOM,
        "first.setdefault(target, i - 1 if i - 1 in pooled else i)",
        "first.setdefault(target, i)",
        "a pooled map lies where its product still reads",
        HAND,
    ),
    Mutant(ROOM, "first[number], last[number] = -1, never", "pass", "states make room for other maps", HAND),
    Mutant(
        WALK,
        "and sum(made in step.reads for step in ours.steps) == 1",
        "",
        "a map that others read is pooled on its way",
        HAND,
    ),
    Mutant(
        WALK, '"start": base - top * width - left,', '"start": base - left,', "patches begin a row late", HAND
    ),
    Mutant(WALK, "bases[i]}", "bases[0]}", "every step has the first one's operands", HAND),
    Mutant(
        READ, "(waiting.y >= 0) & (waiting.y < step.rows)", "waiting.y < step.rows", "no upper border", READER
    ),
    Mutant(
        READ,
        "beside < WORD_ROWS, beside, WORD_ROWS",
        "beside < 7, beside, WORD_ROWS",
        "right border late",
        READER,
    ),
    Mutant(READ, "*channels.down(),", "", "channels do not end", READER),
    Mutant(
        READ, "y.eq(y + step.row_hop),", "y.eq(y + 1),", "rows of dilated kernels miss the border", READER
    ),
    Mutant(
        READ,
        "left <= 2 * WORD_ROWS, left == 2",
        "left < 2 * WORD_ROWS, left == 2",
        "a run of sixteen ends late",
        READER,
    ),
    Mutant(READ, "queue.o.ready.eq(taken)", "queue.o.ready.eq(1)", "a chunk that waits is lost", READER),
    Mutant(
        READ,
        "*self._moved((patch_y, y), patch_y + step.stride_rows),",
        "*self._moved((patch_y, y), patch_y + 1),",
        "rows of patches by one",
        READER,
    ),
    Mutant(PLACE, "column.eq(first_column)]", "column.eq(next_column)]", "block rows drift", PLACES),
    Mutant(
        PLACE,
        "first_1.eq((row.into == 0) & (column.into == 0))",
        "first_1.eq(column.into == 0)",
        "first",
        PLACES,
    ),
    Mutant(
        PLACE,
        "now.into + 2 == field[name])",
        "now.into + 1 == field[name])",
        "windows a place short",
        PLACES,
    ),
    Mutant(PLACE, "& (column.number < field.columns)", "", "what is beside the map is written", PLACES),
    Mutant(PLACE, "row.eq(next_row), first_row.eq(next_row)]", "row.eq(next_row)]", "first row kept", PLACES),
    Mutant(
        "hdl/walk/packer.py",
        "fill.eq(Mux(chunk.group_end, 0, total))",
        "fill.eq(total)",
        "groups do not begin a word",
        DEVICE,
    ),
    Mutant("hdl/walk/pooling.py", "begun.eq(~end),", "begun.eq(1),", "channels add up", DEVICE),
    Mutant(
        "hdl/walk/map_writer.py",
        "late.first | (late.y > largest)",
        "late.first",
        "pooled codes are written only first",
        DEVICE,
    ),
    Mutant(
        "hdl/walk/scaler.py",
        "product.as_unsigned() + half",
        "multiplier.product",
        "no rounding",
        DEVICE,
    ),
    Mutant(
        "hdl/walk/gates.py",
        "b.eq(Mux(came.second, less, 1))",
        "b.eq(less)",
        "terms alone are squares",
        DEVICE,
    ),
    Mutant("hdl/walk/gates.py", "Mux(first, 0, total)", "total", "elements add up", DEVICE),
    Mutant(
        "hdl/walk/seconds.py", "Mux(places.turn, self.base, index + 1)", "index + 1", "gains run on", DEVICE
    ),
    Mutant(WALKER, "index.eq(index + 1), number", "number", "calls share their read noise", DEVICE),
    Mutant(
        WALKER,
        "self.offset.eq(self.offset + header.call_codes)",
        "self.offset.eq(0)",
        "calls see one input",
        DEVICE,
    ),
    Mutant(
        WALKER,
        "reader.may.eq(~is_product | (after != g.banks))",
        "reader.may.eq(1)",
        "banks overwritten",
        DEVICE,
    ),
    Mutant(WALKER, "position.eq(position + 1)", "position.eq(0)", "patches share their read noise", DEVICE),
    Mutant(
        WALKER, "asked & (outstanding == 0)", "asked", "a step begins before the last one's codes", DEVICE
    ),
    Mutant(
        SEQUENCER,
        'group_row.eq(group_row + field("group_rows"))',
        "group_row.eq(0)",
        "groups share rows",
        DEVICE,
    ),
    Mutant(SEQUENCER, "lane.eq(Mux(full, 0, lane + entries))", "lane.eq(0)", "groups share lanes", DEVICE),
    Mutant(
        "hdl/walk/map_writer.py",
        "use.eq(pending.any())",
        "use.eq(pending[1])",
        "what is on its way to a place is not looked at",
        ("tests/hdl/walk/test_map_writer.py",),
    ),
    Mutant(
        "hdl/noise/samples.py",
        "own.eq(column + i)",
        "own.eq(Cat(Const(i, step_log2), column[step_log2:]))",
        "a group's noise is that of whole readouts",
        DEVICE,
    ),
    Mutant("hdl/neuron.py", "take &= there", "pass", "sums do not wait for second operands", DEVICE),
)
