"""Registers: each holds what was last written to its own address, and reads as that."""

import types
from typing import Any

from amaranth import Signal

from emulator.spec import PRESETS
from emulator.spec.registers import BY_NAME, REGISTERS
from hdl.device.registers import READ_LATENCY
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401

WRITABLE = [r for r in REGISTERS if r.access == "rw" and r.name != "scratch"]
CONSTANT = ("magic", "protocol", "register_map")


def _run(module: types.ModuleType) -> tuple[Run, Any]:
    run = Run()
    run.module.submodules.registers = registers = module.Registers(PRESETS["tiny"], 0x1234)
    window = registers.window
    run.let(window, "write", "address", "write_data")
    # The decoder lets nothing beyond the last register through; data and address stand a cycle longer.
    run.given(window.address < len(REGISTERS))
    address_stands = window.address == run.past(window.address, "wrote_address")
    data_stands = window.write_data == run.past(window.write_data, "wrote_data")
    run.given(~run.past(window.write, "wrote") | (address_stands & data_stands & ~window.write))
    return run, registers


@proof("hdl.device.registers")
def separate(module: types.ModuleType) -> Verdict:
    """No two registers share a bit: each output is what was last written to its own address."""
    run, registers = _run(module)
    window = registers.window
    m = run.module
    for register in WRITABLE:
        hit = Signal(name=f"hit_{register.name}")
        kept = Signal(32, name=f"kept_{register.name}")
        m.d.sync += hit.eq(window.write & (window.address == register.address))
        with m.If(hit):
            m.d.sync += kept.eq(window.write_data)
        run.always(getattr(registers, register.name) == kept)
        run.reachable(kept == 0xFFFFFFFF)
    return check(run, depth=4, induction=4)


@proof("hdl.device.registers", long=True)
def reads(module: types.ModuleType) -> Verdict:
    """A read gives the register of its address: control registers as held, constants as built in."""
    run, registers = _run(module)
    window = registers.window
    still = run.free(1, "still")
    nth = run.constant(len(window.address), "nth")
    # While ``still``, the bus reads address ``nth`` and nothing is written.
    run.given(~still | ((window.address == nth) & ~window.write))
    cycles = Signal(range(READ_LATENCY + 3))
    with run.module.If(~still):
        run.module.d.sync += cycles.eq(0)
    with run.module.Elif(cycles != READ_LATENCY + 2):
        run.module.d.sync += cycles.eq(cycles + 1)
    settled = cycles >= READ_LATENCY + 1
    values = {register.address: getattr(registers, register.name) for register in WRITABLE}
    values |= {BY_NAME[name].address: registers.constants[name] for name in CONSTANT}
    for address, value in values.items():
        run.always(~(settled & (nth == address)) | (window.read_data == value))
    run.reachable(settled)
    return check(run, depth=READ_LATENCY + 5, induction=READ_LATENCY + 5)


BUGS = [
    (
        separate,
        "chosen.eq(address == register.address)",
        "chosen.eq((address | 4) == (register.address | 4))",
    ),
    (separate, "m.d.sync += held.eq(window.write_data)", "m.d.sync += held.eq(window.write_data[1:])"),
    (reads, "chosen.eq(address == register.address)", "chosen.eq(address == register.address ^ 1)"),
    (reads, "window.read_data.eq(_any(merged))", "window.read_data.eq(_any(merged[:-1]))"),
    (reads, "word.eq(_any(group))", "word.eq(_any(group)[:31])"),
]
