"""cocotb: whole inferences on the core, every block's values against the golden trace."""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, RisingEdge

from emulator.backend.lay_out import lay_out
from emulator.golden import Core, Trace
from emulator.golden.random_program import random_program
from emulator.spec import Program
from hdl.core.ports import probe_layout
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


class Monitor:
    """Follows the probe through the passes in sequencer order and names the first difference.

    ``noisy`` says which layers have noise: of others the probe shows what is left in its registers. Where
    inferences overlap the order of layers is what the core says as it opens them, within the rule.
    """

    def __init__(self, dut: Any, program: Program, trace: Trace, images: int, noisy: list[bool]) -> None:
        self.dut, self.program = dut, program
        self.compared = Compared(trace, len(program.layers))
        self.noisy = noisy
        self.order = list(passes(program, GEOMETRY))
        self.steps: list[Any] = []
        self.fires: list[Any] = []
        self.logits: list[Any] = []
        self.opened = Opened(len(program.layers))
        self.at = {"step": 0, "added": 0, "activation": 0, "logit": 0}
        if not GEOMETRY.overlap:
            for layer in [*range(len(program.layers))] * images:
                self.open(layer == 0)

    def open(self, from_input: bool) -> None:
        """A layer is next: an inference's first, or the one behind the latest."""
        n, layer = self.opened.open(from_input)
        last = len(self.program.layers) - 1
        mine = [p for p in self.order if p.layer == layer]
        self.steps += [(n, p, c) for p in mine for c in range(0, p.columns, GEOMETRY.readouts)]
        for p in mine:
            for c in range(p.columns if p.last else 0):
                if layer == last:
                    self.logits.append((n, p.first_column + c))
                else:
                    self.fires.append((n, layer, p.first_column + c))

    @property
    def overlapped(self) -> int:
        """Inferences whose first layer came before the rest of the one before."""
        at = {opened: i for i, opened in enumerate(self.opened.order)}
        return sum(at.get((n + 1, 0), len(at)) < at[n, 1] for n, layer in at if layer == 1)

    def _next(self, event: str, items: list[Any]) -> Any:
        assert self.at[event] < len(items), f"unexpected {event}: all {len(items)} are done"
        item = items[self.at[event]]
        self.at[event] += 1
        return item

    async def run(self) -> None:
        layout = probe_layout(GEOMETRY)
        fields, check = unpacker(layout), self.compared.check
        anything, probe, edge = self.mask(layout), self.dut.probe, RisingEdge(self.dut.clk)
        while True:
            await edge
            bits = int(probe.value)
            if not bits & anything:
                continue
            now = fields(bits)
            if GEOMETRY.overlap and now["opened"]:
                self.open(now["input_layer"])
            if now["step"]:
                n, p, c = self._next("step", self.steps)
                key = (p.layer, p.tile, p.slice)
                for i in range(min(GEOMETRY.readouts, p.columns - c)):
                    column = p.first_column + c + i
                    check("array", key, n, column, now["columns"][i])
                    if self.noisy[p.layer]:
                        check("noise", key, n, column, now["samples"][i])
                if self.noisy[p.layer]:
                    # One for all columns of a tile and slice.
                    check("sigma", key, n, 0, now["sigma"], again=bool(p.first_column + c))
            if now["added"]:
                n, p, c = self._next("added", self.steps)
                for i in range(min(GEOMETRY.readouts, p.columns - c)):
                    column = p.first_column + c + i
                    check("readout", (p.layer, p.tile, p.slice), n, column, now["increments"][i])
            if now["activation"]:
                n, layer, column = self._next("activation", self.fires)
                check("neuron", (layer, 0, 0), n, column, now["y"])
            if now["logit"]:
                n, column = self._next("logit", self.logits)
                check("preneuron", (len(self.program.layers) - 1, 0, 0), n, column, now["z"])

    @staticmethod
    def mask(layout: Any) -> int:
        names = ("step", "added", "activation", "logit", *(("opened",) if GEOMETRY.overlap else ()))
        return sum(1 << layout[name].offset for name in names)


async def infer(
    dut: Any, program: Program, x: np.ndarray[Any, Any], first_index: int, gap: int
) -> np.ndarray[Any, Any]:
    """Stream images as a driver would: load a bank as soon as it is free, start, collect results."""
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
    for _ in range(CYCLES):
        await RisingEdge(dut.clk)
        freed += int(dut.input_done.value)
        done += int(dut.done.value)
        if collected == len(x):
            break
    else:
        raise AssertionError(f"only {done} of {len(x)} inferences finished")
    for task in tasks:
        await task
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
    got = await infer(dut, program, x, index, gap)
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
    """Loads are faster than layers: every inference's second layer comes after the next one's first."""
    rng = rng_for(f"overlap {layers}")
    sizes = [GEOMETRY.max_inputs, *([GEOMETRY.lanes] * (layers - 1)), 3]
    monitor = await run(dut, random_program(GEOMETRY, rng, sizes=sizes, dac_bits=2, readout="adc"), rng)
    assert monitor.overlapped == IMAGES - 1, monitor.opened.order
