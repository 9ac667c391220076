"""cocotb: the endpoint behind cocotbext-pcie's root complex: BAR0, jobs, whole inferences."""

import os
from typing import Any

import cocotb
import numpy as np

from emulator.golden.random_program import random_program
from emulator.spec.pcie import DEVICE_ID, ENGINE_MAGIC, VENDOR_ID
from emulator.spec.registers import MAGIC, protocol_word, register_map_hash
from tests.hdl.given import GEOMETRY
from tests.hdl.pcie.host import Host

THOROUGH = bool(os.environ.get("THOROUGH"))


@cocotb.test()
async def enumeration(dut: Any) -> None:
    host = await Host.boot(dut, GEOMETRY)
    assert (host.device.vendor_id, host.device.device_id) == (VENDOR_ID, DEVICE_ID)
    words = np.frombuffer(bytes(await host.bar.read(0, 20)), "<u4")
    assert list(words) == [MAGIC, protocol_word(), 0x55667788, 0x11223344, register_map_hash()]
    assert await host.get("engine_magic") == ENGINE_MAGIC
    assert await host.get("limits") == 0x300 | 2 << 4


@cocotb.test()
async def whole_inferences(dut: Any) -> None:
    host = await Host.boot(dut, GEOMETRY)
    rng = np.random.default_rng(3)
    program = random_program(GEOMETRY, rng, layers=2, sizes=None if THOROUGH else (37, 7, 3))
    await host.program(program)
    await host.infers_as_golden(program, 7, seed=99, first=5)
    await host.cycles(50)
    assert host.interrupts == await host.get("interrupts") == host.producer
