"""Boards without any tool: pins, clocks, geometries, constraints and reports."""

import dataclasses
import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil

from ndrite.boards.fpga import TARGETS, find_target, pll, timing
from ndrite.boards.fpga.constraints import clock_net, constraints
from ndrite.boards.fpga.performance import fits, frame_bytes, performance
from ndrite.boards.fpga.reports import load
from ndrite.boards.fpga.target import Pin, Target
from ndrite.boards.fpga.tools import BuildError
from ndrite.boards.fpga.top import BoardTop
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.memory_map import address
from ndrite.hdl.array.lane import Lane
from ndrite.hdl.ethernet.addresses import USUAL, Addresses
from ndrite.hdl.ethernet.ethernet import Ethernet
from ndrite.hdl.learn.lanes import group_count
from ndrite.hdl.learn.updater import Updater
from ndrite.hdl.tops import UdpTop
from ndrite.host.errors import InputError
from tests.extras import needs

HOLDS_784_128_10 = ("ulx3s-25f", "ulx3s-85f", "ulx3s-85f-128", "colorlight-i9-udp", "icebreaker")

ON_ETHERNET = [board for board in TARGETS.values() if board.ethernet is not None]
ETHERNET = ON_ETHERNET[0].ethernet


@pytest.mark.parametrize("board", TARGETS.values(), ids=str)
def test_clock_can_be_made(board: Target) -> None:
    if board.family != "gowin":
        setting = pll.setting(board.family, board.input_mhz, board.clock_mhz)
        assert setting.mhz == pytest.approx(board.clock_mhz, rel=0.002)
        assert 400 <= setting.oscillator <= (800 if board.family == "ecp5" else 1066)
    assert 2 <= board.divisor <= 65535


@pytest.mark.parametrize("board", TARGETS.values(), ids=str)
def test_constraints_name_every_pin_once_and_every_clock(board: Target) -> None:
    """The crystal, by which the tool judges the PLL, and what to aim at."""
    text = constraints(board, "top.array.clk")
    sites = [pin.site for pin in board.pins.values()]
    assert len(set(sites)) == len(sites)
    assert all(site in text for site in sites)
    if board.family == "ecp5":
        assert f'FREQUENCY PORT "clk" {board.input_mhz:g} MHZ;' in text
        assert f'FREQUENCY NET "top.array.clk" {(board.aim or 1.3) * board.clock_mhz:g} MHZ;' in text
    if board in ON_ETHERNET:
        assert f'FREQUENCY PORT "eth_rx_clk" {125 * board.aim:g} MHZ;' in text
        assert not {"rx", "tx"} & set(board.pins)
        assert len([name for name in board.pins if name.startswith("eth_")]) == 13
    if board.name == "ulx3s-85f":
        assert 'LOCATE COMP "rx" SITE "M1";' in text
        assert 'IOBUF PORT "reset" IO_TYPE=LVCMOS33 PULLMODE=DOWN;' in text
        assert Pin("A1").pull == "none"


@pytest.mark.parametrize(
    ("name", "module", "platform"),
    [
        ("ulx3s-85f", "ulx3s", "ULX3S_85F_Platform"),
        ("orangecrab-25f-maps", "orangecrab_r0_2", "OrangeCrabR0_2_25FPlatform"),
        ("ecpix5-85f-udp", "ecpix5", "ECPIX585Platform"),
        ("icebreaker", "icebreaker", "ICEBreakerPlatform"),
        ("tang-nano-9k", "tang_nano_9k", "TangNano9kPlatform"),
    ],
)
def test_pins_are_those_of_amaranth_boards(name: str, module: str, platform: str) -> None:
    needs("amaranth_boards")
    theirs = getattr(importlib.import_module(f"amaranth_boards.{module}"), platform)
    board = find_target(name)
    named: dict[str, list[str]] = {}
    for resource in theirs.resources:
        ios = [resource.ios[0]] if not hasattr(resource.ios[0], "ios") else [s.ios[0] for s in resource.ios]
        names = [resource.name] if len(ios) == 1 else [s.name for s in resource.ios]
        for sub, io in zip(names, ios, strict=True):
            pins = getattr(io, "names", None) or getattr(getattr(io, "p", None), "names", [])
            named.setdefault(f"{resource.name}.{sub}", []).extend(pins)
    assert board.clock.site in named[f"{theirs.default_clk}.{theirs.default_clk}"]
    if "uart.rx" in named:
        assert named["uart.rx"] == [board.uart_rx.site]
        assert named["uart.tx"] == [board.uart_tx.site]
    if board.ethernet is not None:
        pins = board.ethernet
        for sub in ("rx_clk", "rx_ctl", "tx_clk", "tx_ctl"):
            theirs_sub = sub if f"eth_rgmii.{sub}" in named else sub.replace("ctl", "ctrl")
            assert named[f"eth_rgmii.{theirs_sub}"] == [getattr(pins, sub).site]
        assert named["eth_rgmii.rst"][0] == pins.reset.site
        assert named["eth_rgmii.rx_data"][:4] == [pin.site for pin in pins.rx_data]
        assert named["eth_rgmii.tx_data"][:4] == [pin.site for pin in pins.tx_data]


PLL = {"baud": 1_000_000, "input_mhz": 25}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ulx3s-85f", {"baud": 70_000_000}, "70000000 baud is off by"),
    ("ulx3s-85f", {"clock_mhz": 7}, "baud is off by"),
    ("ulx3s-85f", {"family": "ice40", "aim": 1.3}, "aim is 1.3; accepted on ice40: 1"),
    ("ulx3s-85f", {"family": "ice40", "aim": 1, "ethernet": ETHERNET}, "ethernet is set on family ice40"),
    ("ulx3s-85f", {"learns": True}, "learns is set without ethernet; accepted: with ethernet"),
    # An output too fast, a comparator and an output too slow.
    ("ulx3s-85f-128", PLL | {"clock_mhz": 450}, "makes 450 MHz from 25 MHz.*400..800 MHz"),
    ("ulx3s-85f-128", PLL | {"clock_mhz": 125, "input_mhz": 2}, "makes 125 MHz from 2 MHz.*400..800 MHz"),
    ("ulx3s-85f-128", PLL | {"clock_mhz": 3}, "makes 3 MHz from 25 MHz.*400..800 MHz"),
    ("none", {}, "ulx3s-85f"),
]


@pytest.mark.parametrize(("name", "fields", "said"), REFUSED)
def test_what_is_no_board_is_refused(name: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, BuildError, InputError), match=said):
        dataclasses.replace(find_target(name), **fields)


@pytest.mark.parametrize("name", HOLDS_784_128_10)
def test_shipped_network_fits(name: str, program: Program) -> None:
    assert fits(program, find_target(name).geometry) is None


def test_128_lanes_use_the_whole_of_their_block_rams() -> None:
    """2048 words of nine bits are one DP16KD: no lane has a second one, and every
    word can be written."""
    g = find_target("ulx3s-85f-128").geometry
    target = SimpleNamespace(family="ecp5")
    lane = rtlil.convert(Lane(g), platform=target, emit_src=False)
    assert lane.count("cell \\DP16KD ") == 1
    assert "parameter \\DATA_WIDTH_B 9" in lane
    assert "connect \\ADB13 \\address [10]" in lane
    program = random_program(g, np.random.default_rng(1), sizes=(1024, 256))
    sections = [s for s in lay_out(program, g) if s.name.startswith("weights")]
    taken = np.concatenate([s.address + np.arange(s.words.size) for s in sections])
    assert (taken == address("weights") + np.arange(128 * 2048)).all()
    for group in range(2):
        words = np.array([s.words[1024 * group : 1024 * (group + 1)] for s in sections])
        assert (program.layers[0].weights[:, 128 * group : 128 * (group + 1)] == words.T).all()


@pytest.mark.parametrize("board", [board for board in TARGETS.values() if board.learns], ids=str)
def test_step_tables_are_one_block_ram_of_each_updater(board: Target) -> None:
    """The parts of the boards that learn hold them, or would, by the reports
    of those without."""
    report, ecp5 = load(board.name), SimpleNamespace(family="ecp5")
    for tables in (False, True):
        updater = Updater(dataclasses.replace(board.geometry, step_tables=tables))
        assert rtlil.convert(updater, platform=ecp5, emit_src=False).count("cell \\DP16KD ") == tables
    assert report is not None
    more = 0 if board.geometry.step_tables else group_count(board.geometry)
    assert report["brams"] + more <= report["brams_available"]


def test_rates_follow_from_schedule_and_frame(program: Program) -> None:
    board = find_target("ulx3s-85f")
    rates = performance(board, program, 100.0)
    assert rates["bound_cycles"] == 784 * 2 + 128
    assert rates["samples_per_s_compute"] == round(100e6 / 1696)
    assert frame_bytes(784) == 10 + 784 + 4 + 4 + 1
    assert rates["samples_per_s_link"] == round(board.baud / 10 / frame_bytes(784))


@pytest.mark.parametrize("board", ON_ETHERNET, ids=lambda b: b.name)
def test_a_board_on_ethernet(board: Target, program: Program) -> None:
    # A wide window covers the round trip: 16 samples in flight at the array's own rate
    # last 270 us and more. With maps block RAMs are left for four, and a sample of a
    # network with maps takes as long.
    assert board.geometry.window == (4 if board.geometry.map_codes else 16)
    # Full frames of 1538 bytes' time carry 1456 of the stream.
    rate = None if board.learns else round(125e6 / 1538 * 1456 / frame_bytes(784))
    assert performance(board, program, board.clock_mhz)["samples_per_s_link"] == rate


def test_addresses_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board hands them down to its Ethernet, whose netlist they shape."""
    own = Addresses.of("10.1.2.3", "02:00:00:aB:cd:09")
    assert (own.address, own.mac) == (0x0A010203, 0x020000ABCD09)
    assert Addresses.of(None, None) == USUAL
    inner: list[UdpTop] = []
    given: list[Addresses] = []

    def udp_top(*arguments: Any, **options: Any) -> UdpTop:
        inner.append(UdpTop(*arguments, **options))
        return inner[-1]

    def ethernet(addresses: Addresses, **options: Any) -> Ethernet:
        given.append(addresses)
        return Ethernet(addresses, **options)

    monkeypatch.setattr("ndrite.boards.fpga.top.UdpTop", udp_top)
    monkeypatch.setattr("ndrite.hdl.tops.Ethernet", ethernet)
    board = dataclasses.replace(ON_ETHERNET[0], addresses=own)
    BoardTop(board, build_id=0).elaborate(board)
    inner[0].elaborate(board)
    assert given == [own]
    texts = {rtlil.convert(Ethernet(each, second_cycles=9), emit_src=False) for each in (own, USUAL)}
    assert len(texts) == 2


def nextpnr_report(folder: Path, clocks: dict[str, tuple[float, float]], **rest: Any) -> Path:
    """As nextpnr writes it: what each clock achieved, and was asked for, MHz."""
    fmax = {name: {"achieved": got, "constraint": asked} for name, (got, asked) in clocks.items()}
    file = folder / "report.json"
    file.write_text(json.dumps({"fmax": fmax, "utilization": {}, "critical_paths": []} | rest))
    return file


@pytest.mark.parametrize(("wanted", "met"), [(89.9, True), (90.0, True), (90.1, False)])
def test_nextpnr_report_is_read(wanted: float, met: bool, tmp_path: Path) -> None:
    """The router was asked for more than is wanted."""
    step = {"from": {"cell": "a", "port": "Q"}, "to": {"cell": "b", "port": "D"}}
    path = [{"type": "clk-to-q", "delay": 0.5, **step}, {"type": "routing", "delay": 2.0, **step}]
    used = {"TRELLIS_COMB": {"used": 5, "available": 10}}
    clocks = {"fast": (200.0, 1.3 * wanted), "slow": (90.0, 1.3 * wanted)}
    file = nextpnr_report(tmp_path, clocks, utilization=used, critical_paths=[{"path": path}])
    result = timing.read(file, "ecp5", 1.3, wanted)
    assert result.fmax_mhz == 90.0
    assert result.clocks["slow"] == (90.0, pytest.approx(wanted))
    assert result.met == met
    assert result.used["luts"] == (5, 10)
    assert result.paths[0]["delay_ns"] == 2.5


def test_a_verdict_on_another_clock_is_no_verdict(tmp_path: Path) -> None:
    """A constraint that the tool ignored, as it does for a net it does not
    know, ends the build."""
    file = nextpnr_report(tmp_path, {"clk": (133.9, 140.0)})
    with pytest.raises(BuildError, match=r"aimed at 140.0 MHz for net clk; accepted: 182.0 MHz"):
        timing.read(file, "ecp5", 1.3, 140.0)
    assert timing.read(file, "ecp5", 1.0, 140.0).met is False


def test_the_clock_is_found_by_the_name_that_synthesis_kept(tmp_path: Path) -> None:
    top = {
        "attributes": {"top": "00000000000000000000000000000001"},
        "cells": {"pll": {"type": "EHXPLLL", "connections": {"CLKOP": [9], "CLKI": [2]}}},
        "netnames": {
            "clk$11": {"bits": [9]},
            "top.device.array.lane_7.clk": {"bits": [9]},
            "clocking.in": {"bits": [2]},
        },
    }
    file = tmp_path / "top.json"
    file.write_text(json.dumps({"modules": {"EHXPLLL": {"attributes": {}}, "top": top}}))
    assert clock_net(file) == "top.device.array.lane_7.clk"
    top["cells"] = {}
    file.write_text(json.dumps({"modules": {"top": top}}))
    with pytest.raises(BuildError, match="no PLL"):
        clock_net(file)


@pytest.mark.parametrize(("line", "met"), [(125.4, True), (124.9, False)])
def test_ethernet_s_clock_has_a_rate_of_its_own(tmp_path: Path, line: float, met: bool) -> None:
    """More is asked for, as of the core's. It is no speed of the core's, and one that
    fails fails a build."""
    clocks = {"$glbnet$eth_rx_clk$IN": (line, 162.5), "top.clk": (114.0, 130.0)}
    found = timing.read(nextpnr_report(tmp_path, clocks), "ecp5", 1.3, 100.0)
    assert (found.fmax_mhz, found.met) == (114.0, met)
    with pytest.raises(BuildError, match=r"aimed at 162\.5 MHz"):
        timing.read(nextpnr_report(tmp_path, {"top.clk": (line, 162.5)}), "ecp5", 1.3, 100.0)
