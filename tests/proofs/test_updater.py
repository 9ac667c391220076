"""Updater: no state leaves its device's own bounds.

Products and tables are cut: the claim holds whatever they say.
"""

import types
from typing import Any

from amaranth import Signal, signed

from emulator.spec.learning import BOUND_SHIFT, STATE_MAX, STATE_MIN
from hdl.parts.multiplier import WIDEST
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401
from tests.proofs.prover import Claim, Verdict, clip, prove


@proof("hdl.learn.updater")
def within_bounds(module: types.ModuleType) -> Verdict:
    """The state after any pulses, up or down, from any state, beyond its bounds too."""
    c = Claim()
    updater, sums = module.Updater(), dict[str, Signal]()

    def read(name: str, word: Any, nibble: int) -> Signal:
        return sums.setdefault(name, c.free(signed(14), name))

    updater._tables = lambda m: read
    # Registers in place of memories, which a proof by induction would let begin with anything.
    module.delayed_in_memory = module.delayed
    for i in module.PRODUCTS:
        c.module.d.comb += updater.products[i].eq(c.free(signed(2 * WIDEST), f"product_{i}"))
    c.module.submodules.updater = updater.elaborate(None)
    c.let(updater.event, "row", "column", "count", "up", "state")
    c.let(updater, "cycle_key", "step_shift")
    low = clip(sums["lower"] << BOUND_SHIFT, STATE_MIN, 0)
    high = clip(sums["upper"] << BOUND_SHIFT, 0, STATE_MAX)
    c.always((updater.state >= low) & (updater.state <= high))
    return prove(c)


BUGS = [
    (within_bounds, "above.eq(new > bounds[1])", "above.eq(new > bounds[1] + 1)"),
    (within_bounds, "Mux(above, ends[1], Mux(below, ends[0], kept))", "Mux(above, ends[1], kept)"),
    (within_bounds, "_cut(upper << BOUND_SHIFT, 0,", "_cut(upper << BOUND_SHIFT, -64,"),
]
