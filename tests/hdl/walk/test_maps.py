"""Places of results, codes into the map memory as fast as they may come, largest
of windows, pools."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth import Module, Signal

from ndrite.emulator.backend.walk import POOLED_TURNS_MIN, WINDOW_MAX
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import GATE_TERMS_MAX
from ndrite.emulator.spec.walk_record import GATE
from ndrite.hdl.neuron.neuron import codes_kept
from ndrite.hdl.walk.gates import GATES_LATENCY, Gates
from ndrite.hdl.walk.map_memory import MAP_LATENCY, WRITE_LATENCY, MapMemory, MapWriter, turns_most
from ndrite.hdl.walk.places import PLACES_LATENCY, Places
from ndrite.hdl.walk.seconds import Pooling
from tests.hdl.interpreted import followed, simulated
from tests.hdl.walk import place_fields
from tests.marks import long_where

MAPS = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, map_codes=1024)
WIDE = dataclasses.replace(MAPS, lanes=32, readouts=4, lane_groups=2, skip=True)
AT_ONCE = [(turn, turns) for turn in (2, 3, 4) for turns in (POOLED_TURNS_MIN, 3)]
WINDOWS, WIDTH, PLANE = 3, 4, 100
"""Windows of so many places side by side, and how far channels lie apart."""


def pooled(
    g: Geometry, codes: npt.NDArray[np.int64], turn: int, gap: float, rng: np.random.Generator
) -> list[int]:
    """The map that ``codes`` (places, channels) leave behind when as many as there are
    neurons come at once, with gaps, and ``turn`` are written at once."""
    channels, plane = codes.shape[1], PLANE if g.neurons == 1 else 1
    m = Module()
    m.submodules.memory = memory = MapMemory(g)
    m.submodules.writer = writer = MapWriter(g)
    sizes = {"map": (1, WINDOWS), "grid": (1, WINDOWS * WIDTH), "block": (1, 1), "pool": (1, WIDTH)}
    pixel = 1 if plane > 1 else channels
    field = place_fields(7, plane * turn, pixel, channels // turn, 1, **sizes)
    m.d.comb += [writer.field[name].eq(value) for name, value in field.items()]
    m.d.comb += [
        memory.write.eq(writer.write),
        memory.write_address.eq(writer.write_address),
        memory.write_data.eq(writer.write_data),
        writer.data.eq(memory.data[: len(writer.data)]),
        writer.turn.eq(turn),
    ]
    looking = Signal()
    where = Signal.like(memory.address)
    with m.If(looking):
        m.d.comb += memory.address.eq(where)
    with m.Elif(writer.request):
        m.d.comb += memory.address.eq(writer.address)
    with m.Else():
        # Others read meanwhile: the writer must not take theirs for its own.
        m.d.comb += memory.address.eq(7 + pixel * (WINDOWS - 1))
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(3)
        # A map of before stands there, of the largest codes.
        for written in (np.full_like(codes, INPUT_MAX), codes):
            ctx.set(writer.begin, 1)
            await ctx.tick()
            ctx.set(writer.begin, 0)
            left = 0
            for first in range(0, written.size, g.neurons):
                some = written.ravel()[first : first + g.neurons]
                while (left := left - turn if left >= turn else left) > codes_kept(g) or rng.random() < gap:
                    await ctx.tick()
                ctx.set(writer.valid, 1)
                ctx.set(writer.y, int.from_bytes(some.astype(np.uint8).tobytes(), "little"))
                ctx.set(writer.count, len(some))
                await ctx.tick()
                left += len(some)
                ctx.set(writer.valid, 0)
            await ctx.tick().repeat(WRITE_LATENCY + turns_most(g) + 1)
        ctx.set(looking, 1)
        for window in range(WINDOWS):
            for channel in range(channels):
                ctx.set(where, 7 + pixel * window + plane * channel)
                await ctx.tick().repeat(MAP_LATENCY)
                found.append(ctx.get(memory.data[:8]))

    simulated(m, bench)
    return found


@pytest.mark.parametrize(("turn", "turns"), [(1, n) for n in range(POOLED_TURNS_MIN, 9)] + AT_ONCE)
@pytest.mark.parametrize("gap", long_where((0.0).__eq__, [0.0, 0.1]))
def test_the_largest_of_a_window_however_soon_its_place_comes_again(
    turn: int, turns: int, gap: float
) -> None:
    rng, channels = np.random.default_rng(turns), turn * turns
    codes = rng.integers(0, 256, (WINDOWS * WIDTH, channels))
    expected = codes.reshape(WINDOWS, WIDTH, channels).max(axis=1)
    for geometry in (MAPS, WIDE)[turn > 1 :]:
        np.testing.assert_array_equal(pooled(geometry, codes, turn, gap, rng), expected.ravel())


def test_places_of_small_products_through_blocks_and_windows() -> None:
    """Every column's place, with gaps, against where the golden model puts its number;
    of up to three samples, whose maps lie apart."""
    rng, given, wanted = np.random.default_rng(1), list[dict[str, Any]](), dict[int, tuple[Any, ...]]()
    grids, blocks = ((1, 1), (2, 3), (3, 2)), ((1, 1), (2, 1), (1, 3), (2, 2))
    windows = ((1, 1), (2, 2), (1, 3), (3, 1))
    for grid, block, window, share, groups in itertools.product(grids, blocks, windows, (1, 3), (1, 2)):
        rows, columns, channels = grid[0] * block[0], grid[1] * block[1], share * groups
        pooled = (rows // window[0], columns // window[1])
        order = np.arange(rows * columns * channels).reshape(1, grid[0] * grid[1], -1)
        patches = Patches(shape=(groups, *grid), kernel=(1, 1), groups=groups)
        where = {int(n): at for at, n in np.ndenumerate(patches.place(order, block)[0])}
        # Channels side by side, pixels further apart where maps are joined; or plane by plane.
        plane, pixel = ((1, channels + 2), (pooled[0] * pooled[1], 1))[int(rng.integers(2))]
        base, line, each = int(rng.integers(0, 300)), pooled[1] * pixel, block[0] * block[1] * channels
        sizes = {"map": pooled, "grid": grid, "block": block, "pool": window}
        samples, span = int(rng.integers(1, 4)), int(rng.integers(0, 300))
        fields = place_fields(base, plane, pixel, share, groups, **sizes)
        fields |= {"line": line, "samples": samples, "span": span}
        given += [{"field": fields, "next": 0}, {}, {}, {"begin": 1}, {"begin": 0}]
        for sample, n in itertools.product(range(samples), range(order.size)):
            given += [{"next": 0}] * int(rng.integers(0, 5) == 0)
            c, (q, i), (r, j) = where[n][0], divmod(where[n][1], window[0]), divmod(where[n][2], window[1])
            inside = q < pooled[0] and r < pooled[1]
            address = (base + sample * span + c * plane + q * line + r * pixel) % MAPS.map_codes
            place = (address if inside else None, i == j == 0, inside)
            ends = (n % each == each - 1, (sample, n) == (samples - 1, order.size - 1))
            wanted[len(given)] = (place, ends, (grid, block, window, share, groups, sample, n))
            given.append({"next": 1})
    given += [{"next": 0}] * (1 + PLACES_LATENCY)
    seen = followed(Places(MAPS), given, "address", "first", "inside", "turn", "over")
    for cycle, (place, ends, what) in wanted.items():
        address, first, inside, *_ = seen[cycle + PLACES_LATENCY]
        assert (address if inside else None, first, inside) == place, what
        assert (seen[cycle][3], seen[cycle + 1][4]) == ends, what


@pytest.mark.parametrize("window", [1, 9, 300, WINDOW_MAX])
def test_pooling_adds_any_window(window: int) -> None:
    """Largest and sum of windows to the largest, by NumPy; 300 full codes
    are beyond 16 bits."""
    rng = np.random.default_rng(window)
    parts = [rng.integers(low, 256, (window, WORD_ROWS)) for low in (255, 0, 200)]
    given: list[dict[str, Any]] = []
    for part in parts:
        for i, codes in enumerate(part.tolist()):
            last = int(i == window - 1)
            chunk = {"valid": 1, "codes": codes, "count": WORD_ROWS, "group_end": last}
            given.append({"chunk": chunk | {"patch_end": last}})
        given.append({"chunk": {"valid": 0, "codes": [0] * 8, "count": 0, "group_end": 0, "patch_end": 0}})
        given += [{}] * (1 + WORD_ROWS)
    seen = [value for valid, *value in followed(Pooling(), given, "valid", "largest", "total") if valid]
    wanted = [[part[:, c].max(), part[:, c].sum()] for part in parts for c in range(WORD_ROWS)]
    assert seen == wanted


def test_gates_of_several_samples_while_others_use_the_memory() -> None:
    """One to four terms of 1 to 20 elements, by the formula; each sample's maps lie
    behind the last one's."""
    rng, m = np.random.default_rng(3), Module()
    m.submodules.memory, m.submodules.gates = memory, gates = MapMemory(MAPS), Gates(MAPS)
    m.d.comb += [memory.address.eq(gates.address), gates.data.eq(memory.data)]
    stored = rng.integers(0, 256, MAPS.map_codes)
    compared = 0

    async def bench(ctx: Any) -> None:
        nonlocal compared
        ctx.set(memory.write, 1)
        for address, code in enumerate(stored.tolist()):
            ctx.set(memory.write_address, address)
            ctx.set(memory.write_data, code)
            await ctx.tick()
        ctx.set(memory.write, 0)
        for trial in range(60):
            elements, samples, span = (int(rng.integers(1, most)) for most in (21, 4, 200))
            terms, shift, zero = trial % GATE_TERMS_MAX + 1, int(rng.integers(0, 26)), int(rng.integers(256))
            record = {"terms": terms, "zero": zero, "elements": elements}
            for t in range(terms):
                record |= {f"{name}_{t}": int(rng.integers(256)) for name in ("a_zero", "b_zero")}
                record |= {f"{name}_{t}": int(rng.integers(300)) for name in ("a_base", "b_base")}
                record |= {f"gain_{t}": int(rng.integers(-(1 << 16), 1 << 16))}
                record |= {f"alone_{t}": int(rng.integers(2))}
            ctx.set(gates.gate, {n: v & ((1 << GATE[n][2]) - 1) for n, v in record.items()} | record)
            for port, value in (("shift", shift), ("samples", samples), ("span", span)):
                ctx.set(getattr(gates, port), value)
            await ctx.tick().repeat(4)
            ctx.set(gates.begin, 1)
            await ctx.tick()
            ctx.set(gates.begin, 0)
            busy, found, quiet = float(rng.choice([0.0, 0.4])), [], 0
            while quiet < GATES_LATENCY:
                ctx.set(gates.granted, ctx.get(gates.request) & int(rng.random() >= busy))
                quiet = 0 if ctx.get(~gates.done) else quiet + 1
                await ctx.tick()
                if ctx.get(gates.valid):
                    found.append(ctx.get(gates.y))
            ctx.set(gates.granted, 0)
            wanted = []
            for at in (sample * span + e for sample in range(samples) for e in range(elements)):
                total = 0
                for t in range(terms):
                    a, b = (
                        int(stored[(record[f"{name}_base_{t}"] + at) % MAPS.map_codes])
                        - record[f"{name}_zero_{t}"]
                        for name in "ab"
                    )
                    total += a * (1 if record[f"alone_{t}"] else b) * record[f"gain_{t}"]
                y = (total + (1 << shift >> 1) >> shift) + zero
                wanted.append(min(max(y, 0), INPUT_MAX))
            assert found == wanted, (trial, terms, elements, samples)
            compared += len(wanted)

    simulated(m, bench)
    assert compared > 800
