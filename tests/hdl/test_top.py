"""The whole top through its UART pins."""

from pathlib import Path

import pytest

from emulator.spec import PRESETS
from hdl.link.uart import UartReceiver, UartTransmitter
from hdl.top import Top
from tests.hdl.simulate import simulate

DIVISOR = 4


@pytest.mark.long
def test_top_through_its_pins(tmp_path: Path) -> None:
    geometry = PRESETS["tiny"]
    top = Top(geometry, build_id=0x1122334455667788, divisor=DIVISOR)
    simulate(top, "bench_top", tmp_path, geometry=geometry, DIVISOR=str(DIVISOR))


@pytest.mark.parametrize("divisor", [0, 1, 65536])
def test_illegal_divisor_is_refused(divisor: int) -> None:
    for part in (UartReceiver, UartTransmitter):
        with pytest.raises(ValueError, match=rf"{divisor}.*2\.\.65535"):
            part(divisor)
