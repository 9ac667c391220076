"""Proofs by SAT on feed-forward RTL, and copies of RTL modules with one bug put in."""

import contextlib
import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from amaranth import ClockDomain, Elaboratable, Module, Signal
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ValueLike

from boards.fpga import tools
from boards.fpga.errors import BuildError

# Registers become wires: with inputs that stand still, a pipeline without feedback is its own function.
# That stages line up when inputs change every cycle is what the cocotb benches test.
WIRES = r"""
module \$dff (CLK, D, Q);
    parameter WIDTH = 1;
    parameter CLK_POLARITY = 1;
    input CLK;
    input [WIDTH-1:0] D;
    output [WIDTH-1:0] Q;
    assign Q = D;
endmodule
"""


class Claim(Elaboratable):
    """A module with free inputs, and what must hold for all their values."""

    def __init__(self) -> None:
        self.module = Module()
        self.module.domains.sync = ClockDomain(reset_less=True)
        self.inputs: list[Signal] = []

    def free(self, shape: Any, name: str) -> Signal:
        """An input that takes every value of its shape."""
        signal = Signal(shape, name=name)
        self.inputs.append(signal)
        return signal

    def given(self, condition: ValueLike) -> None:
        """Only inputs under which ``condition`` holds count."""
        self.module.d.comb += Assume(condition)

    def always(self, condition: ValueLike) -> None:
        """What is claimed."""
        self.module.d.comb += Assert(condition)

    def elaborate(self, platform: object) -> Module:
        return self.module


def holds(claim: Claim) -> bool:
    """Whether the solver finds no counterexample.

    Raises ``AssertionError`` when the claim is empty or contradicts its own assumptions (either would make
    any proof succeed), or when the tool fails otherwise.
    """
    text = rtlil.convert(claim, name="top", ports=claim.inputs, emit_src=False)
    prepare = f"""read_verilog -icells <<wires
{WIRES}
wires
design -stash wires
read_rtlil <<design
{text}
design
hierarchy -top top
proc
flatten
chformal -lower
opt_clean
dffunmap
techmap -map %wires
opt -full
select -assert-none t:$dff t:$sdff t:$dffe t:$adff t:$mem_v2
select -assert-min 1 t:$assert
"""
    reachable = _yosys(prepare + "sat -set-assumes -set-def-inputs top\n")
    assert "SAT solving finished - model found" in reachable, f"assumptions exclude every input:\n{reachable}"
    said = _yosys(prepare + "sat -set-assumes -set-def-inputs -prove-asserts top\n")
    if "SUCCESS!" in said:
        return True
    assert "proof did fail" in said.lower() or "model found: FAIL" in said, said[-3000:]
    return False


def mutated(name: str, old: str, new: str, *, shown: tuple[str, str] | None = None) -> types.ModuleType:
    """The module called ``name`` with ``old``, which must occur once in its source, replaced by ``new``.

    ``shown`` is a second such change, which lets a proof see what is inside.
    """
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text()
    assert source.count(old) == 1, f"{name} holds {old!r} {source.count(old)} times: adapt the injected bug"
    source = source.replace(old, new)
    if shown is not None:
        assert source.count(shown[0]) == 1, f"{name} holds {shown[0]!r} {source.count(shown[0])} times"
        source = source.replace(*shown)
    module = types.ModuleType(f"{name}_mutated")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def _yosys(script: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "proof.ys").write_text(script)
        with contextlib.suppress(BuildError):  # a failed proof is no failure of the tool: the log tells
            tools.run(tools.find("yosys"), ["-s", "proof.ys"], cwd=folder, log=folder / "yosys.log")
        return (folder / "yosys.log").read_text()
