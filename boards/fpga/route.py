"""Place and route, and packing into a bitstream."""

from ndrite.boards.fpga.constraints import SUFFIX
from ndrite.boards.fpga.target import Family, Target

PLACER: dict[Family, str] = {"ecp5": "nextpnr-ecp5", "ice40": "nextpnr-ice40", "gowin": "nextpnr-himbaechel"}
PACKER: dict[Family, str] = {"ecp5": "ecppack", "ice40": "icepack", "gowin": "gowin_pack"}
BITSTREAM: dict[Family, str] = {"ecp5": "bit", "ice40": "bin", "gowin": "fs"}
_ROUTED: dict[Family, str] = {"ecp5": "config", "ice40": "asc", "gowin": "routed.json"}


def route_arguments(board: Target, seed: int) -> list[str]:
    """Return nextpnr's command-line arguments: it reads ``top.json`` and the
    constraints, and writes ``SEED.*`` and ``report-SEED.json``."""
    common = f"--json top.json --report report-{seed}.json --seed {seed} --timing-allow-fail".split()
    routed, limits = f"{seed}.{_ROUTED[board.family]}", f"top.{SUFFIX[board.family]}"
    if board.family == "ecp5":
        part = [f"--{board.device}", "--package", board.package, "--speed", board.speed]
        # nextpnr's router2 is faster but routes nets of high fan-out over detours: 82
        # MHz, where router1 reaches 103 MHz.
        return [*common, *part, "--router", "router1", "--lpf", limits, "--textcfg", routed]
    if board.family == "ice40":
        return [*common, f"--{board.device}", "--package", board.package, "--pcf", limits, "--asc", routed]
    part = ["--device", board.device, "--vopt", f"family={board.package}", "--vopt", f"cst={limits}"]
    return [*common, *part, "--freq", f"{board.clock_mhz:g}", "--write", routed]


def pack_arguments(board: Target, seed: int) -> list[str]:
    """Return the command-line arguments of the bitstream packer: it reads a routed
    design and writes the bitstream, ``top.*``."""
    routed, bitstream = f"{seed}.{_ROUTED[board.family]}", f"top.{BITSTREAM[board.family]}"
    if board.family == "ecp5":
        return ["--compress", "--input", routed, "--bit", bitstream]
    if board.family == "ice40":
        return [routed, bitstream]
    spare = ["--sspi_as_gpio", "--mspi_as_gpio"]
    return ["-d", board.package, *spare, "-o", bitstream, routed]
