"""cocotb: whole inferences on the core, every block's values against the golden trace."""

import os
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, RisingEdge

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core, Trace
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program
from ndrite.hdl.core.ports import probe_layout
from tests.hdl.compared import SHOWN, Compared, Opened
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import unpacker
from tests.hdl.streams import Source, load, reset
from tests.naive.sequencer import passes
from tests.stimulus import random_inputs

IMAGES = int(os.environ.get("IMAGES", "6"))
TRIALS = int(os.environ.get("TRIALS", "4"))
CYCLES = int(os.environ.get("CYCLES", "150000"))
"""How long a network's images may take together."""


STEPS = {"step": {"array": "columns", "noise": "samples"}, "added": {"readout": "increments"}}
OUTPUTS = {"activation": ("neuron", "y"), "logit": ("preneuron", "z")}
"""Events of the probe, and which of its fields is then which block's."""
EVENTS = (*STEPS, *OUTPUTS)


class Monitor:
    """Follows the probe through the passes in sequencer order and names the first difference.

    ``noisy`` says which layers have noise: of others the probe shows what is left in
    its registers. Where inferences overlap the order of layers is what the core says as
    it opens them, within the rule.
    """

    def __init__(self, dut: Any, program: Program, trace: Trace, images: int, noisy: list[bool]) -> None:
        self.dut, self.noisy, self.layers = dut, noisy, len(program.layers)
        self.compared, self.opened = Compared(trace, self.layers), Opened(self.layers)
        self.order = list(passes(program, GEOMETRY))
        self.to_come: dict[str, deque[Any]] = {event: deque() for event in EVENTS}
        if not GEOMETRY.overlap:
            for layer in [*range(self.layers)] * images:
                self.open(layer == 0)

    def open(self, from_input: bool) -> None:
        """A layer is next: an inference's first, or the one behind the latest."""
        n, layer = self.opened.open(from_input)
        mine = [p for p in self.order if p.layer == layer]
        steps = [(n, p, c) for p in mine for c in range(0, p.columns, GEOMETRY.readouts)]
        self.to_come["step"] += steps
        self.to_come["added"] += steps
        columns = [p.first_column + c for p in mine if p.last for c in range(p.columns)]
        fires = "logit" if layer == self.layers - 1 else "activation"
        self.to_come[fires] += [(n, layer, column) for column in columns]

    @property
    def overlapped(self) -> int:
        """Inferences whose first layer came before the rest of the one before."""
        at = {opened: i for i, opened in enumerate(self.opened.order)}
        return sum(at.get((n + 1, 0), len(at)) < at[n, 1] for n, layer in at if layer == 1)

    def awaited(self) -> str:
        """Of each event the first that has not come."""
        return ", ".join(f"{event} of {coming[0]}" for event, coming in self.to_come.items() if coming)

    def _next(self, event: str) -> Any:
        assert self.to_come[event], f"unexpected {event}: all are done"
        return self.to_come[event].popleft()

    async def run(self) -> None:
        layout = probe_layout(GEOMETRY)
        fields, check = unpacker(layout), self.compared.check
        names = (*EVENTS, "opened") if GEOMETRY.overlap else EVENTS
        anything = sum(1 << layout[name].offset for name in names)
        probe, edge = self.dut.probe, RisingEdge(self.dut.clk)
        while True:
            await edge
            bits = int(probe.value)
            if not bits & anything:
                continue
            now = fields(bits)
            if GEOMETRY.overlap and now["opened"]:
                self.open(now["input_layer"])
            for event, shown in STEPS.items():
                if not now[event]:
                    continue
                n, p, c = self._next(event)
                key, first = (p.layer, p.tile, p.slice), p.first_column + c
                for block, values in shown.items():
                    if block != "noise" or self.noisy[p.layer]:
                        for column, got in enumerate(now[values][: p.columns - c], first):
                            check(block, key, n, column, got)
                if event == "step" and self.noisy[p.layer]:
                    # One for all columns of a tile and slice.
                    check("sigma", key, n, 0, now["sigma"], again=bool(first))
            for event, (block, value) in OUTPUTS.items():
                if now[event]:
                    n, layer, column = self._next(event)
                    check(block, (layer, 0, 0), n, column, now[value])


async def infer(
    dut: Any,
    monitor: Monitor,
    program: Program,
    x: np.ndarray[Any, Any],
    first_index: int,
    gap: int,
    cycles: int = CYCLES,
) -> np.ndarray[Any, Any]:
    """Stream images as a driver would: load a bank as soon as it is free,
    start, collect results."""
    freed = done = collected = 0
    starts: Queue[int] = Queue()
    out = np.zeros((len(x), program.outputs), np.int64)

    async def load() -> None:
        for n, row in enumerate(x):
            bank = n % GEOMETRY.banks
            while n - freed >= GEOMETRY.banks or n - collected >= GEOMETRY.banks:
                await RisingEdge(dut.clk)
            codes = GEOMETRY.load_codes
            for k in range(0, len(row), codes):
                some = row[k : k + codes]
                dut.load.value = (1 << len(some)) - 1
                dut.load_address.value = (bank * GEOMETRY.max_inputs + k) // codes
                dut.load_data.value = int.from_bytes(some.astype(np.uint8).tobytes(), "little")
                await RisingEdge(dut.clk)
            dut.load.value = 0
            if gap:
                await ClockCycles(dut.clk, gap)
            starts.put_nowait(bank | ((first_index + n) & 0xFFFFFFFF) << (GEOMETRY.banks - 1).bit_length())

    async def start() -> None:
        source = Source(dut, "start", np.random.default_rng(0))
        for _ in x:
            await source.send([await starts.get()])

    async def collect() -> None:
        nonlocal collected
        for n in range(len(x)):
            while done <= n:
                await RisingEdge(dut.clk)
            for m in range(program.outputs):
                dut.result_address.value = n % GEOMETRY.banks * GEOMETRY.max_outputs + m
                await ClockCycles(dut.clk, 3)
                out[n, m] = dut.result_data.value.to_signed()
            collected += 1

    tasks = [cocotb.start_soon(task()) for task in (load, start, collect)]
    try:
        for _ in range(cycles):
            await RisingEdge(dut.clk)
            freed += int(dut.input_done.value)
            done += int(dut.done.value)
            if collected == len(x):
                break
        else:
            raise AssertionError(f"only {done} of {len(x)} inferences finished; awaited: {monitor.awaited()}")
    finally:
        for task in tasks:
            task.cancel()
    return out


def counts(program: Program, images: int, noisy: list[bool]) -> dict[str, int]:
    """Block -> values there are to compare: columns of every tile and slice."""
    found = dict.fromkeys(SHOWN, 0)
    for i, layer in enumerate(program.layers):
        parts = layer.tiles(program.rows) * (8 // layer.dac_bits)
        found["array"] += images * parts * layer.outputs
        found["readout"] += images * parts * layer.outputs
        found["noise"] += images * parts * layer.outputs * noisy[i]
        found["sigma"] += images * parts * noisy[i]
        found["preneuron" if i == len(program.layers) - 1 else "neuron"] += images * layer.outputs
    return found


async def run(
    dut: Any, program: Program, rng: np.random.Generator, *, noise: bool = True, gap: int = 0
) -> Monitor:
    x = random_inputs(program, rng, IMAGES)
    seed = int(rng.integers(0, 1 << 63))
    index = int(rng.integers(0, 1 << 32))
    trace = Trace()
    expected = Core(program).infer(x, seed=seed, first_index=index, noise=noise, trace=trace)
    await reset(dut)
    await load(dut, lay_out(program, GEOMETRY))
    dut.seed.value = seed
    dut.noise_enable.value = int(noise)
    noisy = [noise and bool(layer.sigma_out or layer.var_cell) for layer in program.layers]
    monitor = Monitor(dut, program, trace, len(x), noisy)
    watch = cocotb.start_soon(monitor.run())
    got = await infer(dut, monitor, program, x, index, gap)
    watch.cancel()
    assert sorted(monitor.opened.order) == [
        (n, layer) for n in range(len(x)) for layer in range(len(program.layers))
    ]
    monitor.compared.complete()
    assert monitor.compared.counts == counts(program, len(x), noisy)
    np.testing.assert_array_equal(got, expected)
    return monitor


def rng_for(name: str) -> np.random.Generator:
    return np.random.default_rng([int(os.environ.get("SEED", "1")), *name.encode()])


@cocotb.test()
@cocotb.parametrize(trial=range(TRIALS))
async def random_networks(dut: Any, trial: int) -> None:
    rng = rng_for(f"random {trial}")
    await run(dut, random_program(GEOMETRY, rng), rng, gap=int(rng.integers(0, 60)))


CASES: dict[str, dict[str, Any]] = {
    **{f"corner {trial}": {"corner": True} for trial in range(TRIALS)},
    **{f"slicing {dac_bits}": {"layers": 2, "dac_bits": dac_bits} for dac_bits in (1, 2, 4, 8)},
    "noise off": {"layers": 2, "corner": True},
}


@cocotb.test()
@cocotb.parametrize(case=list(CASES))
async def special_networks(dut: Any, case: str) -> None:
    rng = rng_for(case)
    await run(dut, random_program(GEOMETRY, rng, **CASES[case]), rng, noise=case != "noise off")


@cocotb.test()
@cocotb.parametrize(dac_bits=[1, 4, 8])
async def many_groups_of_short_passes(dut: Any, dac_bits: int) -> None:
    """Column groups that follow each other faster than the neuron's pipeline is long."""
    rng = rng_for(f"groups {dac_bits}")
    most = GEOMETRY.max_outputs
    for sizes in ([11, 2, most - 3], [3, 4 * GEOMETRY.lanes, most - 1], [1, 1, 1, most]):
        program = random_program(GEOMETRY, rng, sizes=sizes, dac_bits=dac_bits, readout="adc")
        await run(dut, program, rng)
        if GEOMETRY.overlap and dac_bits == 8:
            # Readout then waits for nothing but columns.
            await run(dut, program, rng, noise=False)


@cocotb.test(skip=not GEOMETRY.overlap)
@cocotb.parametrize(layers=[2, 3, 4])
async def inferences_overlap(dut: Any, layers: int) -> None:
    """Loads are faster than layers: every inference's second layer comes after the
    next one's first."""
    rng = rng_for(f"overlap {layers}")
    sizes = [GEOMETRY.max_inputs, *([GEOMETRY.lanes] * (layers - 1)), 3]
    monitor = await run(dut, random_program(GEOMETRY, rng, sizes=sizes, dac_bits=2, readout="adc"), rng)
    assert monitor.overlapped == IMAGES - 1, monitor.opened.order
