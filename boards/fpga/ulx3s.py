"""ULX3S by Radiona (ECP5 12F, 25F, 85F); USB serial is an FT231X."""

from ndrite.boards.fpga.ecp5_arrays import ECP5_25F, ECP5_85F, ECP5_85F_WIDE
from ndrite.boards.fpga.target import Circuit, Pin, Target

_COMMON: Circuit = {
    "package": "CABGA381",
    "speed": "6",
    "input_mhz": 25,
    "clock": Pin("G2"),
    "uart_rx": Pin("M1"),
    "uart_tx": Pin("L4"),
    "baud": 3_000_000,  # the fastest rate of the FT231X
    "link_led": Pin("B2"),
    "activity_led": Pin("C2"),
    # The ESP32's boot pin must be held high: if it is low or floating, the ESP32 may
    # take over the JTAG pins and reconfigure the FPGA.
    "held_high": (("wifi_gpio0", Pin("L2")),),
    "reset": Pin("R1", pull="down"),
    "loader": "ulx3s",
    "pins_from": "amaranth_boards.ulx3s",
}
TARGETS = (
    # The LFE5U-12F is a 25F die with another device id.
    Target(name="ulx3s-25f", clock_mhz=110, same_die=("12k",), **_COMMON, **ECP5_25F),
    # A board with virtual chips and campaigns, whose memories take half of the block RAMs.
    Target(name="ulx3s-85f", clock_mhz=90, **_COMMON, **ECP5_85F),
    # A board with feature maps instead of virtual chips.
    Target(name="ulx3s-85f-128", clock_mhz=90, lane_sites_from=28, **_COMMON, **ECP5_85F_WIDE),
)
