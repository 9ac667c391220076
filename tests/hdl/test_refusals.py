"""Components that cannot be made say what they accept."""

import dataclasses
from functools import partial
from typing import Any

from ndrite.boards.fpga.rgmii import Rgmii
from ndrite.emulator.spec import PRESETS
from ndrite.hdl.learn.core import LearningCore
from ndrite.hdl.link.uart import UartReceiver, UartTransmitter
from ndrite.hdl.parts.memory import Table
from ndrite.hdl.parts.pipeline import Queue
from ndrite.hdl.pcie.inference import Inference
from ndrite.hdl.pcie.reader import Reader
from ndrite.hdl.pcie.writer import Splitter
from ndrite.hdl.small.core import SmallCore
from ndrite.hdl.walk.patch_reader import PatchReader
from tests.refusals import refused

TINY = PRESETS["tiny"]
SMALL = dataclasses.replace(TINY, readouts=1, noise=False, analog=False, redraw=0, lanes=2)
LACKING = {"readouts": 2, "noise": True, "analog": True, "skip": True, "redraw": 1, "overlap": True}
WALKS = dataclasses.replace(TINY, overlap=True, redraw=0, map_codes=1024)
FEW_ROWS = dataclasses.replace(TINY, redraw=0, readouts=1, lanes=16, rows=8)
NO_DELAY = {"receive_delay_ps": 0, "transmit_delay_ps": 0}
REFUSED: tuple[tuple[Any, dict[str, Any], str], ...] = (
    *((Queue, {"shape": 24, "depth": depth, "parts": n}, "queue") for depth, n in ((1, 1), (4, 0), (4, 5))),
    *((Table, {"values": values}, "table") for values in (list(range(1025)), [1 << 18])),
    *(
        (part, {"divisor": divisor}, rf"{divisor}.*2\.\.65535")
        for part in (UartReceiver, UartTransmitter)
        for divisor in (0, 1, 65536)
    ),
    (Reader, {"tags": 3}, "accepted: "),
    (Reader, {"tags": 32}, "accepted: "),
    (Splitter, {"most": 96}, "accepted: "),
    *(
        (
            SmallCore,
            {"geometry": dataclasses.replace(SMALL, **{field: value})},
            f"{field} is {value}; accepted by",
        )
        for field, value in LACKING.items()
    ),
    (LearningCore, {"geometry": FEW_ROWS}, "8 rows, 16 lanes"),
    (PatchReader, {"geometry": TINY}, "map_codes is 0"),
    (Inference, {"geometry": WALKS}, "map_codes is 1024; accepted by a PCIe card: 0"),
    *(
        (Rgmii, NO_DELAY | {field: value}, rf"{field} is {value}; accepted: 0\.\.3175")
        for field in NO_DELAY
        for value in (-1, 127 * 25 + 1)
    ),
)
test_what_cannot_be_made_is_refused = refused(
    ValueError, *((partial(component, **fields), said) for component, fields, said in REFUSED)
)
