"""ULX3S by Radiona (ECP5 12F, 25F, 85F); USB serial is an FT231X."""

from typing import Any

from ndrite.boards.fpga.ecp5_arrays import ECP5_25F, ECP5_85F, ECP5_85F_WIDE
from ndrite.boards.fpga.target import Pin, Target

_COMMON: dict[str, Any] = {
    "package": "CABGA381",
    "speed": "6",
    "input_mhz": 25,
    "clock": Pin("G2"),
    "uart_rx": Pin("M1"),
    "uart_tx": Pin("L4"),
    "baud": 3_000_000,  # the FT231X's fastest
    "link_led": Pin("B2"),
    "activity_led": Pin("C2"),
    # The ESP32's boot pin: low, or left alone, it may take the JTAG pins and configure the part anew.
    "held_high": (("wifi_gpio0", Pin("L2")),),
    "reset": Pin("R1", pull="down"),
    "loader": "ulx3s",
    "pins_from": "amaranth_boards.ulx3s",
}
TARGETS = (
    # The 12F is a 25F die under another id.
    Target(name="ulx3s-25f", clock_mhz=110, same_die=("12k",), **_COMMON, **ECP5_25F),
    # With virtual chips and campaigns, which take half of the block RAMs.
    Target(name="ulx3s-85f", clock_mhz=90, **_COMMON, **ECP5_85F),
    # With feature maps instead of virtual chips.
    Target(name="ulx3s-85f-128", clock_mhz=90, lane_sites_from=28, **_COMMON, **ECP5_85F_WIDE),
)
