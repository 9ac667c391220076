"""Samples that are walked together: no sample reads or writes a code of another one, and
answers keep the order of their requests.

Two copies of a component walk the same samples, one with maps ``span`` codes apart, the
other with all of them in the same place. In every cycle, every register of the first
holds what that of the second holds, or an address so many spans further. Which sample it
is, is counted apart from the RTL. Of numbers up to 3, addresses and spans of ten bits,
and distances within a map of four.
"""

import dataclasses
import types
from collections.abc import Callable
from typing import Any

from amaranth import Cat, Const, Mux, Signal
from amaranth.hdl import Fragment, Value
from amaranth.utils import exact_log2

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.walk.records import GATE_LAYOUT
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.cut import cut, cut_queue, port
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401

GEOMETRY = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, map_codes=1024)
BITS = 10
"""Bits of an address of a map memory of ``map_codes`` codes."""
HOP_BITS = 4
"""Bits of the distances within a map."""
SETTLED = 3
"""Cycles after which registers hold what the fields of a step say."""


class Twins:
    """Two copies that ``made`` makes, with ports as ``fields`` says, and ``span`` or 0,
    which begin once.

    ``named``: signals of the first one. ``seen``: what each copy's ``seen`` has.
    ``going``: they have begun. ``behind``: how far the map of the present sample lies
    behind that of the first one, now, a cycle ago and two cycles ago.
    """

    def __init__(self, run: Run, made: Callable[[], Any], fields: dict[str, Value], span: str) -> None:
        self.run, self.span = run, run.constant(BITS, "span")
        self.begin, self.going, cycle = run.free(1, "begin"), Signal(), Signal(range(SETTLED + 1))
        run.module.d.sync += [
            cycle.eq(cycle + (cycle != SETTLED)),
            self.going.eq(self.going | self.begin),
        ]
        run.given(~self.begin | ((cycle == SETTLED) & ~self.going))
        self.registers: list[list[Signal]] = []
        self.seen: list[dict[str, Any]] = []
        self.named: dict[str, Any] = {}
        for apart in (self.span, 0):
            component = made()
            component._MustUse__silence = True
            # Elaborated here, so that its registers can be listed.
            fragment = Fragment.get(component.elaborate(None), None)
            run.module.submodules += fragment
            for name, value in (fields | {"begin": self.begin, span: apart}).items():
                run.module.d.comb += port(component, name).eq(value)
            driven = {domain: list(s._lhs_signals()) for domain, s in fragment.statements.items()}
            self.registers.append(driven["sync"])
            self.seen.append(component.seen)
            self.named = self.named or {s.name: s for signals in driven.values() for s in signals}
        # The number of the present sample, and of its part.
        self.sample, self.part = Signal(3), Signal(6)
        self.behind = [Signal(BITS)]
        for name in ("behind_1", "behind_2"):
            self.behind.append(run.past(self.behind[-1], name))
        run.always(self.going | (Cat(self.sample, self.part, self.behind[0]) == 0))

    def begins(self, part_ends: Value, parts: Value, under_way: Value, samples: Value) -> Value:
        """Claim that they are ``under_way`` until there were as many ``samples``, of
        ``parts`` parts each. Return whether a sample has begun in the cycle before."""
        ends, m = part_ends & (self.part == parts - 1), self.run.module
        with m.If(part_ends):
            m.d.sync += self.part.eq(self.part + 1)
        with m.If(ends):
            m.d.sync += [self.part.eq(0), self.sample.eq(self.sample + 1)]
            m.d.sync += self.behind[0].eq(self.behind[0] + self.span)
        self.run.always(~self.going | (under_way == (self.sample != samples)))
        self.run.reachable(part_ends & (self.sample == 2) & (self.behind[0] != 0))
        return self.run.past(self.begin, "begun") | self.run.past(ends, "ended") & under_way

    def equal(self, moved: dict[str, Value], **named: Value) -> None:
        """Claim that all registers are equal, but those ``moved``, called so in ``seen``
        or ``named``, so far; of a register of several fields it is the highest one."""
        found = [(Value.cast(self.seen[0][name]), behind) for name, behind in moved.items()]
        found += [(self.named[name], behind) for name, behind in named.items()]
        compared = 0
        for one, other in zip(*self.registers, strict=True):
            offset = next((behind << len(one) - len(behind) for s, behind in found if s is one), None)
            compared += offset is not None
            moved_to = other if offset is None else other + offset
            self.run.always(one.as_unsigned() == moved_to[: len(one)])
        assert compared == len(found)

    def counts(self, under_way: Value, turns: dict[str, Value]) -> None:
        """Claim of countdowns what makes the induction hold."""
        for name, all_of_them in turns.items():
            left, last = self.named[f"{name}_left"], self.named[f"{name}_last"]
            self.run.always(~under_way | ((left != 0) & (left <= all_of_them) & (last == (left == 1))))
            self.run.always(~self.going | (self.named[f"{name}_single"] == (all_of_them == 1)))


def numbers(run: Run, *names: str) -> dict[str, Value]:
    """Constants 1 to 3."""
    found: dict[str, Value] = {name: run.constant(2, name) for name in names}
    for value in found.values():
        run.given(value != 0)
    return found


COUNTS = "channels groups block_rows block_columns grid_rows grid_columns samples".split()


def seen(line: str, names: str) -> tuple[tuple[str, str], ...]:
    """The change that lets a proof see signals ``names`` of a component as they are at
    ``line``."""
    shown = ", ".join(f"{name}={name}" for name in names.split())
    return ((line, f"        self.seen = dict({shown})\n{line}"),)


WRITTEN = seen(
    "        m.d.comb += self.again.eq(inside_1 & ~first_1)\n",
    "row first_row column first_column channel first_channel base place",
)


@proof("ndrite.hdl.walk.places", shown=WRITTEN, long=True)
def written(module: types.ModuleType) -> Verdict:
    """Each sample's codes are written where those of the first one are, as many spans
    further as samples are before it."""
    run = Run()
    m = run.module
    field = numbers(run, *COUNTS, "pool_rows", "pool_columns")
    field |= {name: run.constant(HOP_BITS, name) for name in ("base", "plane", "line", "pixel")}
    field |= {name: run.constant(3, name) for name in ("rows", "columns")}
    following = Signal()
    ports = {f"field.{name}": value for name, value in field.items()} | {"next": following}
    twins = Twins(run, lambda: module.Places(GEOMETRY), ports, "field.span")
    at, going = twins.named, twins.going
    under_way = going & ~at["over"]
    m.d.comb += following.eq(run.free(1, "asks") & under_way)
    patches = field["grid_rows"] * field["grid_columns"]
    fresh = twins.begins(following & at["turn"], patches, under_way, field["samples"])
    now, before, two_before = twins.behind
    twins.equal(dict.fromkeys(("row", "first_row", "base"), now) | {"place": before}, address=two_before)

    # Each sample begins in the state in which the first one began.
    state = {name: Value.cast(register) for name, register in twins.seen[1].items()}
    top = Cat(Const(0, 20), field["pool_rows"] == 1, field["base"])
    edge = Cat(Const(0, 20), field["pool_columns"] == 1, Const(0, BITS))
    for name in ("row", "first_row", "column", "first_column"):
        run.always(~fresh | (state[name] == (top if "row" in name else edge)))
    run.always(~fresh | (state["channel"] == 0) & (state["first_channel"] == 0))

    # What makes the induction hold.
    twins.counts(under_way, {name: field[name] for name in COUNTS})
    for name in ("pool_rows", "pool_columns"):
        run.always(~going | (at[f"single_{name}"] == (field[name] == 1)))
    run.always(~going | (state["base"] == field["base"]))
    done = {name: (field[name] - at[f"{name}_left"])[:2] for name in COUNTS}
    whole = [~done[name].any() for name in COUNTS if name != "samples"]
    run.always(~fresh | Cat(whole).all())
    run.always(~under_way | (twins.part == done["grid_rows"] * field["grid_columns"] + done["grid_columns"]))
    run.always(~under_way | (twins.sample == done["samples"]))
    return check(run, depth=9, induction=4)


READ = seen(
    "        self._chunks(m, waiting, read_granted)\n",
    "spot column_at row_at group_at patch_at line_at sample_at x patch_x y patch_y left run_last move "
    "patch_end fresh running",
)
READ_COUNTS = "kernel_columns kernel_rows groups grid_columns grid_rows".split()
HOPS = "pixel line share stride_codes stride_line start".split()
EDGES = {"x": "first_column", "patch_x": "first_column", "y": "first_row", "patch_y": "first_row"}


@proof("ndrite.hdl.walk.patch_reader", shown=READ, long=True)
def read(module: types.ModuleType) -> Verdict:
    """Each sample's codes are asked for where those of the first one are, as many spans
    further as samples are before it."""
    run = Run()
    counts = numbers(run, *READ_COUNTS, "samples")
    step = {name: counts[name] for name in READ_COUNTS} | {
        name: run.constant(HOP_BITS, name) for name in HOPS
    }
    step |= {name: run.constant(4, name) for name in ("last_share", "column_hop", "row_hop", "pause")}
    step |= {name: run.constant(4, name) for name in ("stride_columns", "stride_rows", *set(EDGES.values()))}
    step["flat"] = run.constant(1, "flat")
    cut_queue(module, run.free)
    module.PatchReader._chunks = lambda *_: None
    ports = {f"step.{name}": value for name, value in step.items()}
    ports["samples"] = counts["samples"]
    ports |= {name: run.free(1, name) for name in ("may", "granted")}
    twins = Twins(run, lambda: module.PatchReader(GEOMETRY), ports, "span")
    signals, other = twins.seen
    going, running = twins.going, signals["running"]
    patches = step["grid_rows"] * step["grid_columns"]
    fresh = twins.begins(signals["move"] & signals["patch_end"], patches, running, counts["samples"])
    addresses = "spot column_at row_at group_at patch_at line_at sample_at".split()
    twins.equal(dict.fromkeys(addresses, twins.behind[0]))

    # Each sample begins in the state in which the first one began.
    for name in addresses:
        run.always(~fresh | (other[name] == step["start"]))
    for name, first in EDGES.items():
        run.always(~fresh | (other[name] == step[first]))
    run.always(~fresh | (other["left"] == twins.named["head_size"]))
    run.always(~fresh | (other["run_last"] == twins.named["head_short"]))
    run.always(~fresh | other["fresh"])

    # What makes the induction hold.
    twins.counts(running, counts)
    run.always(~going | (other["sample_at"] == step["start"]))
    whole = [twins.named[f"{name}_left"] == step[name] for name in READ_COUNTS]
    run.always(~fresh | Cat(whole).all())
    done = {name: (counts[name] - twins.named[f"{name}_left"])[:2] for name in counts}
    part = done["grid_rows"] * step["grid_columns"] + done["grid_columns"]
    run.always(~running | ((twins.part == part) & (twins.sample == done["samples"]) & going))
    return check(run, depth=9, induction=4)


COPIED = seen(
    "        m.d.comb += [\n            memory.write.eq(load),\n",
    "source target next_target word_of_sample left",
)


@proof("ndrite.hdl.walk.samples", shown=COPIED)
def copied(module: types.ModuleType) -> Verdict:
    """Each sample is copied to where the first one is, as many spans further as samples
    are before it; all words that arrived are, in their order, and no more."""
    run = Run()
    count, inputs = numbers(run, "count")["count"], run.constant(5, "inputs")
    run.given(inputs != 0)
    cut(module, run.free)
    twins = Twins(run, lambda: module.Samples(GEOMETRY), {"inputs": inputs, "count": count}, "span")
    run.given(~twins.span[:3].any())
    signals, other = twins.seen
    going, copying, words = twins.going, twins.named["copying"], ((inputs - 1) >> 3) + 1
    fresh = twins.begins(copying, words, copying, count)
    now, before, two_before = (behind[3:] for behind in twins.behind)
    after = Mux(going, now + twins.span[3:], 0)[: len(now)]
    twins.equal({"target": now, "next_target": after}, target_1=before, target_2=two_before)
    total = Signal(7)
    run.module.d.sync += total.eq(total + copying)
    run.always(~copying | (signals["source"] == total[: len(signals["source"])]))
    run.always(~fresh | (other["target"] == 0) & (other["word_of_sample"] == 0))

    # What makes the induction hold.
    run.always(~going | (twins.named["last_word"] == words - 1))
    left = signals["left"]
    run.always(~copying | (left == count - twins.sample) & (twins.part == signals["word_of_sample"]))
    run.always(~copying | going & (left != 0) & (twins.part < words))
    run.always(going | (total == 0))
    run.always(other["next_target"] == 0)
    return check(run, depth=10, induction=3)


GATED = seen(
    "        now = Signal(read_layout)\n",
    "place first_place where term second move ends last is_last_word few elements_left running settled",
)


@proof("ndrite.hdl.walk.gates", shown=GATED)
def gated(module: types.ModuleType) -> Verdict:
    """Each sample's elements are asked for where those of the first one are, as many
    spans further as samples are before it."""
    run = Run()
    samples, gate = numbers(run, "samples")["samples"], run.constant(GATE_LAYOUT.size, "gate")
    elements = GATE_LAYOUT(gate).elements
    run.given((elements != 0) & (elements <= 24) & (GATE_LAYOUT(gate).terms != 0))
    cut_queue(module, run.free)
    module.Gates._sum = lambda *_: None
    ports = {"gate": gate, "samples": samples, "granted": run.free(1, "granted")}
    twins = Twins(run, lambda: module.Gates(GEOMETRY), ports, "span")
    signals, other = twins.seen
    going, running, left = twins.going, signals["running"], signals["elements_left"]
    word_ends = signals["move"] & signals["ends"] & signals["last"]
    fresh = twins.begins(word_ends, ((elements - 1) >> 3) + 1, running, samples)
    now, before, _ = twins.behind
    twins.equal({"place": now, "first_place": now, "where": before})
    run.always(~fresh | (Cat(other["place"], other["first_place"], other["term"], other["second"]) == 0))
    run.always(~fresh | (other["elements_left"] == elements))

    # What makes the induction hold.
    twins.counts(running, {"sample": samples})
    run.always(~going | (other["first_place"] == 0))
    run.always(~running | (left == elements - (twins.part << 3)) & (left != 0) & (left <= elements) & going)
    run.always(~running | (twins.sample == samples - twins.named["sample_left"]))
    run.always(~(running & signals["settled"]) | (signals["is_last_word"] == signals["few"]))
    return check(run, depth=14, induction=4)


ANSWERED = seen("        m.d.sync += pending.eq(pending + self.begun", "pending finished requested_codes")


@proof("ndrite.hdl.link.decision", shown=ANSWERED)
def answered(module: types.ModuleType) -> Verdict:
    """The n-th answer is that of the n-th request, for every n, with the format of its
    codes and whether they were invalid; none is due before its inference has ended."""
    run = Run()
    m, inferences = run.module, module.Inferences(GEOMETRY)
    inferences._MustUse__silence = True
    m.submodules.inferences = Fragment.get(inferences.elaborate(None), None)
    run.let(inferences, *"begin begun sparse wrong done answered single number".split())
    begins, ended, answers, nth = Signal(5), Signal(5), Signal(5), run.constant(5, "nth")
    m.d.sync += [begins.eq(begins + inferences.begun), ended.eq(ended + inferences.done)]
    m.d.sync += answers.eq(answers + inferences.answered)
    under_way, unanswered = (begins - answers)[:5], (ended - answers)[:5]
    # The executor offers an inference while there is room, the core ends those under way.
    run.given(~inferences.begun | inferences.begin)
    run.given(~inferences.begin | (under_way < GEOMETRY.banks))
    run.given(~inferences.done | (unanswered < under_way))
    run.given(~inferences.answered | inferences.due)
    request, held = Signal(18), Signal()
    with m.If(inferences.begun & (begins == nth) & ~held):
        m.d.sync += [
            request.eq(Cat(inferences.number, inferences.sparse, inferences.wrong)),
            held.eq(1),
        ]
    answer = Cat(inferences.answer_number, inferences.answer_sparse, inferences.answer_wrong)
    this = held & (answers == nth) & (under_way != 0)
    run.always(~this | (answer == request))
    run.always(inferences.due == (unanswered != 0))
    with m.If(this & inferences.answered):
        m.d.sync += held.eq(0)

    # What makes the induction hold.
    banks_log2 = exact_log2(GEOMETRY.banks)
    run.always((inferences.bank == begins[:banks_log2]) & (inferences.answer_bank == answers[:banks_log2]))
    pending, finished = inferences.seen["pending"], inferences.seen["finished"]
    run.always((pending == under_way) & (finished == unanswered) & (unanswered <= under_way))
    run.always((under_way <= GEOMETRY.banks) & ~inferences.lost)
    run.always(~held | ((nth - answers)[:5] < under_way))
    for i, stored in enumerate(inferences.seen["requested_codes"]):
        run.always(~(held & (nth[:banks_log2] == i)) | (stored == request))
    run.reachable(this & inferences.answered & (nth == 5) & (under_way == GEOMETRY.banks))
    return check(run, depth=14, induction=3)


BUGS: list[Any] = [
    long(written, "next_base.eq(base + field.span)", "next_base.eq(base + field.line)"),
    long(written, "*self._at_top(row, single, next_base),", "*self._at_top(row, single, base),"),
    long(written, '*counts["grid_rows"].again(), *counts["samples"].down()', '*counts["samples"].down()'),
    long(read, "sample_at + self.span", "line_at + self.span"),
    long(read, "*self._moved((patch_y, y), step.first_row.as_signed()),\n                    ]", "]"),
    (copied, "target.eq(next_target), next", "target.eq(target + 1), next"),
    (copied, "self.ends.eq(self.copying & (word_of_sample == last_word)", "self.ends.eq(self.copying"),
    (gated, "next_place = first_place + self.span", "next_place = place + self.span"),
    (gated, "first_place.eq(next_place)]", "]"),
    (gated, "few = elements_left <= WORD_ROWS", "few = elements_left < WORD_ROWS"),
    (answered, "with m.If(self.begin & (bank == i)):", "with m.If(self.begun & (answer_bank == i)):"),
    (answered, "finished.eq(finished + self.done - self.answered)", "finished.eq(finished + self.done)"),
]
