"""The UART's receiver by itself: what a disturbed line may cost."""

import pytest

from ndrite.hdl.link.uart import QuietLine, UartReceiver
from tests.hdl.interpreted import followed
from tests.marks import long_where

BYTES = (0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x3C)


def levels_of(byte: int, divisor: float) -> list[int]:
    """8N1 on the line, a level a clock cycle."""
    bits = (0, *(byte >> i & 1 for i in range(8)), 1)
    return [bits[int(cycle / divisor)] for cycle in range(round(10 * divisor))]


def received(divisor: int, levels: list[int]) -> tuple[list[int], int]:
    """Bytes that come of the line's levels, and how many stop bits were missing."""
    line = [{"pin": level} for level in [1] * 8 + levels + [1] * 12 * divisor]
    seen = followed(UartReceiver(divisor), line, "valid", "data", "framing")
    return [data for valid, data, _ in seen if valid], sum(framing for _, _, framing in seen)


@pytest.mark.parametrize("divisor", [2, 3, 4, 5, 16, 31])
def test_bytes_follow_each_other_without_a_gap(divisor: int) -> None:
    levels = [level for byte in BYTES for level in levels_of(byte, divisor)]
    assert received(divisor, levels) == (list(BYTES), 0)


@pytest.mark.parametrize("divisor", [4, 5, 16])
def test_glitch_of_half_a_bit_is_no_byte(divisor: int) -> None:
    for cycles in range(1, divisor // 2 + 1):
        assert received(divisor, [0] * cycles) == ([], 0), f"{cycles} cycles"


@pytest.mark.parametrize(("divisor", "cycles"), [(4, 1), (5, 2), (16, 1), (16, 7)])
def test_glitch_before_a_start_bit_moves_no_byte(divisor: int, cycles: int) -> None:
    for gap in (2, cycles + 1, 3 * divisor):
        levels = [level for b in BYTES for level in [0] * cycles + [1] * gap + levels_of(b, divisor)]
        assert received(divisor, levels) == (list(BYTES), 0), f"{cycles} cycles, {gap} before the byte"


@pytest.mark.parametrize("rate", [0.98, 1.02])
def test_glitch_takes_nothing_of_what_bit_rates_may_differ(rate: float) -> None:
    """A start bit behind a glitch is timed from its own edge."""
    divisor = 32
    for gap in (6, 9, 11):
        levels = [level for b in BYTES for level in [0] * 3 + [1] * gap + levels_of(b, divisor / rate)]
        assert received(divisor, levels) == (list(BYTES), 0), f"{gap} cycles before the byte"


@pytest.mark.parametrize("divisor", long_where((16).__eq__, [4, 5, 16]))
def test_one_inverted_cycle_anywhere_in_a_byte_costs_nothing(divisor: int) -> None:
    levels, line = levels_of(0xA6, divisor), []
    for place in range(len(levels)):
        disturbed = levels.copy()
        disturbed[place] ^= 1
        line += disturbed + levels_of(0x5B, divisor) + [1] * divisor
    assert received(divisor, line) == ([0xA6, 0x5B] * len(levels), 0)


def test_start_bit_is_judged_until_its_middle_only() -> None:
    divisor = 16
    for place in range(divisor // 2 + 2, divisor - 2, 2):
        disturbed = levels_of(0x00, divisor)
        disturbed[place : place + 2] = [1, 1]
        assert received(divisor, disturbed) == ([0x00], 0), f"cycle {place}"


def passed_on(cycles: int, line: list[int | None]) -> list[int]:
    """Bytes behind a ``QuietLine``; None: a cycle without one."""
    given = [{"valid": byte is not None, "data": byte or 0} for byte in line]
    return [data for valid, data in followed(QuietLine(cycles), given, "out_valid", "out_data") if valid]


def test_a_frame_that_stops_half_way_ends_in_a_pause() -> None:
    pause: list[int | None] = [None] * 30
    short: list[int | None] = [None] * 19
    assert passed_on(20, [5, 6, *pause, *pause, 7, *short, 8, 0, *pause]) == [5, 6, 0, 7, 8, 0]
    assert passed_on(20, [*pause, 0, *pause, 1, 0, *pause]) == [0, 1, 0]
