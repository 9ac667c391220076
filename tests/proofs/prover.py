"""Claims of RTL, proofs by SAT where it is feed-forward, and copies of RTL modules
with one bug put in.

The binding arithmetic stands here as Amaranth expressions, written apart from the RTL
and only for proofs.
"""

import contextlib
import importlib.util
import sys
import tempfile
import time
import types
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from amaranth import ClockDomain, Const, Elaboratable, Module, Mux, Signal, signed
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Value, ValueLike

from ndrite.boards.fpga import tools
from ndrite.boards.fpga.tools import BuildError

# Registers become wires: with inputs that stand still, a pipeline without feedback is
# its own function. That stages line up when inputs change every cycle is what the
# cocotb benches test.
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


@dataclass(frozen=True)
class Verdict:
    """How a check ended: ``holds``, by ``method`` within ``seconds``; ``log`` is the checker's.

    ``refuted``: what is claimed is wrong; a claim that says nothing does not hold either.
    """

    holds: bool
    refuted: bool
    method: str
    seconds: float
    log: str


class Claim(Elaboratable):
    """A module with free inputs, and what must hold for all their values."""

    def __init__(self) -> None:
        self.module = Module()
        self.module.domains.sync = self.domain = ClockDomain("sync", reset_less=True)
        self.inputs: list[Signal] = []

    def free(self, shape: Any, name: str) -> Signal:
        """An input that takes every value of its shape, another one every cycle where
        there are cycles."""
        signal = Signal(shape, name=name)
        self.inputs.append(signal)
        return signal

    def let(self, component: Any, *ports: str) -> None:
        """``ports`` of the component are free inputs; names may be dotted: ``o.ready``."""
        for name in ports:
            port = attrgetter(name)(component)
            self.module.d.comb += port.eq(self.free(port.shape(), name.replace(".", "_")))

    def given(self, condition: ValueLike) -> None:
        """Only what keeps to this, in every cycle, counts."""
        self.module.d.comb += Assume(condition)

    def always(self, condition: ValueLike) -> None:
        """What is claimed, of every cycle."""
        self.module.d.comb += Assert(condition)

    def elaborate(self, platform: object) -> Module:
        return self.module

    def rtlil(self) -> str:
        """For Yosys, as module ``top``."""
        return rtlil.convert(self, name="top", ports=self.inputs, emit_src=False)


def prove(claim: Claim) -> Verdict:
    """Whether the solver finds no counterexample.

    Raises ``AssertionError`` when the claim is empty or contradicts its own assumptions
    (either would make any proof succeed), or when the tool fails otherwise.
    """
    begun = time.monotonic()
    prepare = f"""read_verilog -icells <<wires
{WIRES}
wires
design -stash wires
read_rtlil <<design
{claim.rtlil()}
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
    holds = "SUCCESS!" in said
    assert holds or "proof did fail" in said.lower() or "model found: FAIL" in said, said[-3000:]
    return Verdict(holds, not holds, "all values", time.monotonic() - begun, said)


def rshift_round(m: Module, v: Value, shift: Value, most: int, name: str) -> Signal:
    """(v + 2^(shift-1)) >> shift, or v for shift 0, as a table over every
    shift up to ``most``."""
    width = max(len(v), most) + 2
    result = Signal(signed(width), name=name)
    with m.Switch(shift):
        for s in range(most + 1):
            with m.Case(s):
                m.d.comb += result.eq(v if s == 0 else (v + (1 << (s - 1))) >> s)
    return result


def clip(v: Value, low: int | Value, high: int | Value) -> Value:
    """min(max(v, low), high)."""
    return Mux(v < low, Value.cast(low), Mux(v > high, Value.cast(high), v))


def power(exponent: Value, most: int) -> Value:
    """2^exponent for exponents up to ``most``."""
    return (Const(1, 1) << exponent)[: most + 1]


def mutated(name: str, *changes: tuple[str, str]) -> types.ModuleType:
    """A copy of the module called ``name``, each old text, which must stand there once,
    replaced by a new."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text()
    for old, new in changes:
        assert source.count(old) == 1, f"{name} holds {old!r} {source.count(old)} times: adapt the change"
        source = source.replace(old, new)
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
