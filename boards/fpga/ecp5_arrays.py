"""The largest arrays that fit each size of ECP5 and hold 784-128-10 networks, as
fields of a Target."""

import dataclasses

from ndrite.boards.fpga.target import Fabric, MemoryStyle
from ndrite.emulator.spec import Geometry

LARGE = Geometry(
    name="ecp5-85f",
    lanes=64,
    readouts=4,
    weight_bits=9,
    weight_depth=2048,
    curves=64,
    skip=True,
    redraw=2,
    campaign_words=20480,
    campaign_samples=128,
    campaign_votes=2048,
)
# An array for campaigns, which load samples on the chip, fast enough for inferences to overlap.
CAMPAIGN = dataclasses.replace(LARGE, overlap=True)
LEAN = dataclasses.replace(LARGE, name="ecp5-85f-lean", redraw=0)
# An array with feature maps, for samples of 3 x 32 x 32 and networks of up to 32 layers.
WIDE = dataclasses.replace(
    LEAN,
    name="ecp5-85f-128",
    lanes=128,
    overlap=True,
    map_codes=32768,
    lane_groups=8,
    layers=32,
    columns=2048,
    packet_bytes=4096,
)
# The same array as WIDE, for a board on Ethernet: its buffers take block RAMs, so only
# half the curves fit. Two packets of 8192 bytes in place of four would hold twice the
# samples of a walk (an LSTM's take 6,428 cycles each, not 7,359), but a sample of a
# chain has a packet of its own, and with two of them the array waits (1,121 cycles for
# 784-128-10, not 681).
WIDE_UDP = dataclasses.replace(WIDE, name="ecp5-85f-128-udp", curves=32, lane_rows=2)
# An array without feature maps, for a board on Ethernet.
MEDIUM = dataclasses.replace(LARGE, name="ecp5-45f-udp", readouts=2, redraw=0, window=16)
SMALL = Geometry(
    name="ecp5-25f",
    lanes=26,
    readouts=1,
    weight_bits=8,
    weight_depth=4096,
    max_outputs=64,
    columns=256,
    curves=16,
    noise=False,
    window=1,
)
# An array with feature maps on the smallest part. Maps take the block RAMs of ten
# lanes; more curves suit networks of learned curves.
SMALL_MAPS = dataclasses.replace(
    SMALL, name="ecp5-25f-maps", lanes=16, overlap=True, map_codes=4096, layers=16, curves=32
)

# A learning array for 784-64-10 and similar networks. 128 lanes would fit (84 % of the
# LUTs), but at 69 to 86 MHz, estimated before routing: as many device updates per
# second as 64 lanes at 120 MHz.
LEARNING = Geometry(
    name="ecp5-85f-learning",
    lanes=64,
    readouts=4,
    weight_depth=1024,
    columns=256,
    layers=4,
    curves=64,
    step_tables=True,
    analog=False,
    window=16,
)
# A learning array for 784-32-10 and similar networks: no layer may be wider than the
# lanes, and 64 lanes would take 136 block RAMs. With step tables, one placement missed
# the Ethernet clock, and another was not routed in half an hour.
SMALL_LEARNING = dataclasses.replace(
    LEARNING, name="ecp5-45f-learning", lanes=32, readouts=2, step_tables=False
)

PARTIALS: tuple[MemoryStyle, str] = ("distributed", "core.readout.partials*/m:*")
"""Memory style of the partial sums. They are deep enough for a block RAM, but its
outputs would come too late for the neuron, as those of second operands would."""

ECP5_85F: Fabric = {"family": "ecp5", "device": "85k", "geometry": CAMPAIGN}
ECP5_85F_WIDE: Fabric = ECP5_85F | {
    "geometry": WIDE,
    "memory_styles": (PARTIALS, ("distributed", "walker.seconds.values*/m:*")),
    # All 156 multipliers of the part are used. Two of the squarers (which multiply only
    # eight bits) and the multipliers of all neurons but one are built from LUTs.
    "soft_multipliers": (
        "core.scanner.square_6",
        "core.scanner.square_7",
        *(f"core.noise.schedule.root_{i}.{name}" for i in (2, 3) for name in ("low", "high")),
        *(
            f"core.neuron.pipe_{i}.{name}"
            for i in (1, 2, 3)
            for name in ("line", "scaler.high", "scaler.low")
        ),
    ),
    "dsp_inference": False,
}
ECP5_85F_WIDE_UDP: Fabric = ECP5_85F_WIDE | {
    "device": "um5g-85k",
    "geometry": WIDE_UDP,
    # With the faster speed grade, second operands arrive in time from block RAM.
    "memory_styles": (PARTIALS,),
    "block_memory_words": 256,
}
ECP5_85F_LEARNING: Fabric = {
    "family": "ecp5",
    "device": "um5g-85k",
    "geometry": LEARNING,
    "learns": True,
    "dsp_inference": False,
}
ECP5_45F_LEARNING: Fabric = ECP5_85F_LEARNING | {"device": "45k", "geometry": SMALL_LEARNING}
# The part has 72 multipliers, of which readouts, noise and neurons take eleven. Three
# lanes and the squarers of the inputs therefore use LUTs.
ECP5_45F_UDP: Fabric = {
    "family": "ecp5",
    "device": "45k",
    "geometry": MEDIUM,
    "memory_styles": (PARTIALS,),
    "soft_multipliers": (
        *(f"core.array.lane_{i}.multiplier" for i in range(61, 64)),
        "core.scanner.square_*",
    ),
    "dsp_inference": False,
}
# 26 lanes of 4096 words take 52 of the part's 56 block RAMs. All other memories except
# curves and packets are in LUTs, which leaves no room for the noise generator. Readout
# and neurons need five of the 28 multipliers, so three lanes use LUTs.
ECP5_25F: Fabric = {
    "family": "ecp5",
    "device": "25k",
    "geometry": SMALL,
    "block_memory_words": 512,
    "memory_styles": (
        ("distributed", "core.activations.memory/m:*"),
        ("distributed", "core.inputs*.memory/m:*"),
        ("distributed", "core.results.memory/m:*"),
        ("distributed", "core.neuron.pipe_0.bias/m:*"),
        ("distributed", "core.neuron.pipe_0.settings/m:*"),
        ("distributed", "core.readout.gains_*/m:*"),
        PARTIALS,
    ),
    "soft_multipliers": tuple(f"core.array.lane_{i}.multiplier" for i in range(23, 26)),
    "dsp_inference": False,
}
ECP5_25F_MAPS: Fabric = ECP5_25F | {
    "geometry": SMALL_MAPS,
    # A sample buffer of 128 words of eight codes would take two block RAMs, but
    # only one is left.
    "block_memory_words": 129,
    "memory_styles": (PARTIALS, ("distributed", "walker.sample*/m:*")),
    "soft_multipliers": (),
}
