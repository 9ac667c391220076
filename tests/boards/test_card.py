"""A PCIe card's flow without its tools: pins, counts, what is missing, and
openXC7 by stand-ins."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga import card, synthesis, tools
from ndrite.boards.fpga.build import build
from ndrite.boards.fpga.registry import CARDS
from ndrite.boards.fpga.reports import load
from ndrite.boards.fpga.search import Tries
from ndrite.boards.fpga.tools import BuildError, TimingError
from ndrite.emulator.spec import Program
from tests.extras import needs

CARD = CARDS["pcie-artix7"]
SMALL = dataclasses.replace(CARD, name="pcie-wire")
STATISTICS = {"design": {"num_cells_by_type": {"LUT4": 3, "RAM32M": 2, "FDRE": 5, "RAMB18E1": 3, "BUFG": 1}}}
LINE = "Info: Max frequency for clock 'array': {} MHz ({} at 100.00 MHz)"


class Wire(wiring.Component):
    """Stands for the endpoint, minutes of synthesis."""

    def __init__(self) -> None:
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(self.i)
        return m


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Folder to build into, with a small design and a Yosys that only writes its statistics."""
    code = f"open('stat.json', 'w').write({json.dumps(STATISTICS)!r}); open('top.json', 'w')"
    monkeypatch.setattr(synthesis, "board_top", lambda board, identity: Wire())
    monkeypatch.setattr(tools, "find", lambda name: tools.Command((sys.executable, "-c", code), "stand-in"))
    for name in card.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "built"


def openxc7(monkeypatch: pytest.MonkeyPatch, folder: Path, *, says: str, fails: str = "") -> None:
    """Programs and folders of openXC7 that note how they were called; nextpnr-xilinx
    ``says`` its clocks."""
    folder.mkdir()
    (folder / "says").write_text(says + "\n")
    for name in card.PROGRAMS:
        file = folder / name
        body = f'cat "{folder}/says"\n' if name == "nextpnr-xilinx" else ""
        file.write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/calls"\n{body}exit {int(name == fails)}\n')
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for name in card.VARIABLES:
        monkeypatch.setenv(name, str(folder))


def test_pins_are_those_of_amaranth_boards() -> None:
    needs("amaranth_boards")
    platform = importlib.import_module("amaranth_boards.nitefury").NitefuryIIPlatform
    assert (platform.device, platform.package, platform.speed) == (CARD.device, CARD.package, CARD.speed)
    resources = {(r.name, r.number): r for r in platform.resources}
    parts = {part.name: part.ios[0] for part in resources["pcie", 0].ios}
    pairs = {"sys_clk_": "clk", "pci_exp_rx": "rx", "pci_exp_tx": "tx"}
    wanted = {port + end: getattr(parts[name], end).names[0] for port, name in pairs.items() for end in "pn"}
    wanted |= {"sys_rst_n": parts["rst"].names[0], "clkreq_n": parts["clkreq"].names[0]}
    wanted |= {"link_led": resources["led", 0].ios[0].names[0]}
    assert {port: site for port, site, _ in CARD.pins} == wanted


@pytest.mark.long
def test_without_openxc7_the_build_ends_after_synthesis_and_says_what_is_missing(
    flow: Path, monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    report = build(SMALL, flow, program=program, announce=said.append)
    assert (report["luts"], report["ffs"], report["dsps"], report["brams"]) == (11, 5, 0, 2)
    assert "fmax_mhz" not in report
    assert said[-1].startswith("stopped after synthesis; missing: nextpnr-xilinx, fasm2frames, xc7frames2bit")
    assert "PCIE_7X (folder with the Verilog of pcie_7x)" in said[-1]
    assert said[-1].endswith("see docs/hardware.md, PCIe")
    kept = {path.name for path in flow.iterdir()}
    assert {"pcie-wire.v", "pcie-wire.xdc", "openxc7.sh", "report.json", "yosys.log"} < kept
    assert "set_property LOC F6 [get_ports sys_clk_p]" in (flow / "pcie-wire.xdc").read_text()


@pytest.mark.long
def test_with_openxc7_it_places_routes_and_packs(
    flow: Path, monkeypatch: pytest.MonkeyPatch, program: Program, tmp_path: Path
) -> None:
    openxc7(monkeypatch, tmp_path / "bin", says=LINE.format("104.50", "PASS"))
    report = build(SMALL, flow, program=program, tries=Tries(7))
    assert (report["fmax_mhz"], report["timing_met"]) == (104.5, True)
    assert report["clocks"] == {"array": {"achieved": 104.5, "constraint": 100.0}}
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["yosys", *card.PROGRAMS[:3]]
    assert "--seed 7" in calls[1]
    assert f"--chipdb {tmp_path}/bin/xc7a200tfbg484.bin" in calls[1]
    assert "--part xc7a200tfbg484-2" in calls[2]


@pytest.mark.long
@pytest.mark.parametrize(
    ("says", "fails", "error", "told"),
    [
        (LINE.format("80.00", "FAIL"), "", TimingError, "80.0 MHz of 100 MHz wanted"),
        (LINE.format("104.50", "PASS"), "fasm2frames", BuildError, "openxc7 failed with status 1"),
        ("nothing", "", BuildError, "nextpnr-xilinx reported no clock"),
    ],
)
def test_openxc7_that_fails_is_one_line(
    flow: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    tmp_path: Path,
    says: str,
    fails: str,
    error: type[BuildError],
    told: str,
) -> None:
    openxc7(monkeypatch, tmp_path / "bin", says=says, fails=fails)
    with pytest.raises(error, match=told):
        build(SMALL, flow, program=program)


def test_the_committed_card_leaves_a_third_of_its_part_free() -> None:
    report = load(CARD.name)
    assert report is not None
    used = {name: report[name] / report[f"{name}_available"] for name in card.AVAILABLE}
    assert max(used.values()) <= 0.7, used
