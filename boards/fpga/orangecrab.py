"""OrangeCrab r0.2 (ECP5 25F).

It has no USB serial bridge: connect a 3.3 V adapter to the Feather's pins 0 (RX) and 1 (TX).
"""

from ndrite.boards.fpga.ecp5_arrays import ECP5_25F_MAPS
from ndrite.boards.fpga.target import Pin, Target

ORANGECRAB_25F_MAPS = Target(
    name="orangecrab-25f-maps",
    package="CSFBGA285",
    speed="8",
    clock_mhz=108,
    aim=1.5,
    input_mhz=48,
    clock=Pin("A9"),
    uart_rx=Pin("N17"),
    uart_tx=Pin("M18"),
    baud=3_000_000,
    link_led=Pin("M3", active_low=True),
    activity_led=Pin("J3", active_low=True),
    reset=Pin("J17", standard="SSTL135_I", active_low=True),
    loader="orangeCrab",  # openFPGALoader's name of the board
    pins_from="amaranth_boards.orangecrab_r0_2",
    **ECP5_25F_MAPS,
)
TARGETS = (ORANGECRAB_25F_MAPS,)
