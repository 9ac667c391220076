"""cocotb: how long a reset the learning core needs in the middle of an update."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from ndrite.emulator.backend.learning import lay_out_learning
from ndrite.emulator.golden.learn import make_learner
from ndrite.hdl.device.watchdog import RESET_CYCLES
from tests.hdl.given import GEOMETRY
from tests.hdl.learn.bench_core import states, update
from tests.hdl.streams import load, pulse, reset
from tests.random_learning import random_learning
from tests.stimulus import random_inputs

RESETS = (1, 16, 32, RESET_CYCLES)
MOMENTS = 4
"""How often each of RESETS comes in the middle of an update."""


@cocotb.test()
async def the_restart_is_long_enough(dut: Any) -> None:
    """Pipelines hold what they held: too short a reset leaves writes of before. The
    longest after which a state was wrong is half of what the restart lasts at most."""
    rng = np.random.default_rng(3)
    learning = random_learning(GEOMETRY, rng, sizes=[GEOMETRY.rows, GEOMETRY.lanes, 2], slots=15)
    x, labels = random_inputs(learning.program, rng, 2), rng.integers(0, learning.outputs, 2)
    golden = make_learner(learning, seed=5, noise=False)
    golden.learn(x[:1], labels[:1], first_update=0)
    await reset(dut)
    dut.seed.value = 5
    await load(dut, lay_out_learning(learning, GEOMETRY))
    took = len(x[0]) + await update(dut, x[0].tolist(), int(labels[0]), 0)
    wrong = dict.fromkeys(RESETS, 0)
    for cycles in RESETS:
        for _ in range(MOMENTS):
            under_way = cocotb.start_soon(update(dut, x[1].tolist(), int(labels[1]), 0))
            await ClockCycles(dut.clk, int(rng.integers(1, took)))
            under_way.cancel()
            for name in ("push", "fresh", "start"):
                getattr(dut, name).value = 0
            await pulse(dut, "rst", cycles)
            await load(dut, lay_out_learning(learning, GEOMETRY))
            begun = cocotb.start_soon(update(dut, x[0].tolist(), int(labels[0]), 0))
            await ClockCycles(dut.clk, 3 * took)
            found = await states(dut, learning) if begun.done() else []
            begun.cancel()
            same = [np.array_equal(a, b) for a, b in zip(found, golden.states, strict=False)]
            wrong[cycles] += not (same and all(same))
    too_short = max((cycles for cycles in RESETS if wrong[cycles]), default=0)
    dut._log.warning("wrong after a reset of so many cycles: %s of %s", wrong, MOMENTS)
    assert too_short <= RESET_CYCLES // 2, wrong
