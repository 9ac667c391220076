"""watchdog: how long an inference may take before the gateware resets its core."""

from emulator.spec.geometry import Geometry

WATCHDOG_CYCLES_MIN = 1 << 20


def watchdog_cycles(geometry: Geometry) -> int:
    """Clock cycles without the end of an inference after which the watchdog resets the core.

    Several times the longest that ``geometry`` can take: eight slices of every weight word, with readout
    as slow as the array, or all cells drawn anew.
    """
    inference = 8 * geometry.weight_depth
    redraw = geometry.lanes * geometry.weight_depth // max(geometry.redraw, 1)
    return max(WATCHDOG_CYCLES_MIN, 8 * inference, 4 * redraw)
