"""What a mutant is, and the tests that several of them name."""

from __future__ import annotations

from dataclasses import dataclass

BLOCKS = "tests/hdl/test_blocks.py"
CORE = "tests/hdl/test_core.py"
TOP = "tests/hdl/test_top.py"
GOLDEN = "tests/emulator/golden"
PCIE = "tests/hdl/pcie/test_endpoint.py"
DRIVER = "tests/host/pcie/test_driver.py"
RINGS = "tests/host/pcie/test_engine.py"
RESUME = "tests/hdl/test_resume.py"
REQUESTS = "tests/hdl/test_requests.py"
UART = "tests/hdl/link/test_uart.py"
GEOMETRIES = "tests/hdl/test_geometries.py"


@dataclass(frozen=True)
class Mutant:
    """``old`` stands once in ``file`` and becomes ``new``; ``tests`` are pytest's arguments."""

    file: str
    old: str
    new: str
    fault: str
    tests: tuple[str, ...]


def block(name: str) -> tuple[str, ...]:
    """The bench of one RTL block."""
    return (BLOCKS, "-k", f"test_block_equals_golden and {name}")
