"""cocotb: how long a reset the core needs in the middle of inferences."""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core, Trace
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program
from ndrite.hdl.device.watchdog import RESET_CYCLES
from tests.hdl.bench_core import Monitor, infer
from tests.hdl.given import GEOMETRY
from tests.hdl.streams import load, pulse, reset
from tests.stimulus import random_inputs

INFERENCES = 4
RESETS = (1, 4, 8, 16, 24, 32, RESET_CYCLES)
MOMENTS = int(os.environ.get("MOMENTS", "6"))
"""How often each of RESETS comes in the middle of INFERENCES."""


async def reset_in_the_middle(
    dut: Any, program: Program, x: np.ndarray[Any, Any], after: int, cycles: int
) -> None:
    """Inferences of ``x``, ended by a reset after so many clocks; the memories
    keep what they hold."""
    task = cocotb.start_soon(infer(dut, unwatched(dut, program), program, x, 0, 0))
    await ClockCycles(dut.clk, after)
    task.cancel()
    dut.load.value = dut.start__valid.value = 0
    await pulse(dut, "rst", cycles)


def unwatched(dut: Any, program: Program) -> Monitor:
    """A monitor that only names what is awaited."""
    return Monitor(dut, program, Trace(), INFERENCES, [])


@cocotb.test()
async def the_accelerator_s_reset_is_long_enough(dut: Any) -> None:
    """Pipelines hold what they held: a reset of too few cycles leaves results, or an
    order, of before. The longest after which anything was wrong is half of what the
    accelerator's lasts at most."""
    rng = np.random.default_rng(1)
    program = random_program(GEOMETRY, rng, noise=GEOMETRY.noise)
    x = random_inputs(program, rng, INFERENCES)
    expected = Core(program).infer(x, seed=7)
    await reset(dut)
    await load(dut, lay_out(program, GEOMETRY))
    dut.seed.value = 7
    dut.noise_enable.value = 1
    begun = get_sim_time("ns")
    await infer(dut, unwatched(dut, program), program, x, 0, 0)
    took = int(get_sim_time("ns") - begun) // 10
    wrong = dict.fromkeys(RESETS, 0)
    for cycles in RESETS:
        for _ in range(MOMENTS):
            await reset_in_the_middle(dut, program, x, int(rng.integers(1, took)), cycles)
            try:
                got = await infer(dut, unwatched(dut, program), program, x, 0, 0, 3 * took)
            except AssertionError:
                wrong[cycles] += 1
            else:
                wrong[cycles] += not np.array_equal(got, expected)
    too_short = max((cycles for cycles in RESETS if wrong[cycles]), default=0)
    cocotb.log.warning("wrong after a reset of so many cycles: %s of %s", wrong, MOMENTS)
    assert 0 < too_short <= RESET_CYCLES // 2, wrong
