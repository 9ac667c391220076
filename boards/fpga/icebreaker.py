"""iCEBreaker (iCE40UP5K); USB serial is an FT2232H."""

from ndrite.boards.fpga.target import SMALL, Pin, Target
from ndrite.emulator.spec import Geometry

ICEBREAKER = Target(
    name="icebreaker",
    family="ice40",
    device="up5k",
    package="sg48",
    speed="",
    geometry=Geometry(
        name="icebreaker", lanes=2, weight_depth=65536, max_inputs=1024, max_outputs=16, **SMALL
    ),
    clock_mhz=21,
    input_mhz=12,
    clock=Pin("35"),
    uart_rx=Pin("6", pull="up"),
    uart_tx=Pin("9"),
    baud=1_000_000,
    link_led=Pin("37", active_low=True),
    activity_led=Pin("11", active_low=True),
    reset=Pin("10", active_low=True),
    loader="ice40_generic",
    small=True,
    pins_from="amaranth_boards.icebreaker",
)
TARGETS = (ICEBREAKER,)
