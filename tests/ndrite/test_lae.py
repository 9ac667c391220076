"""lae: the product, the ratios, what would be needed, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ndrite.cli.main import BAD_INPUT, OK, run
from ndrite.lae import load_constants, report
from ndrite.lae.account import CONSTANTS


def test_ratios_follow_the_constants() -> None:
    constants = load_constants()
    found = report(constants)
    adc, table = (constants["paths"]["digital"][p] for p in ("adc", "table"))
    want = 1.0
    for q in ("latency_ns", "area_um2", "energy_pJ"):
        want *= adc[q]["typical"] + table[q]["typical"]
    assert found["paths"]["digital"]["typical"]["lae"] == pytest.approx(want)
    ratio = found["ratios"]["digital"]
    assert ratio["typical"] == pytest.approx(want / found["paths"]["ndr"]["typical"]["lae"])
    assert ratio["least"] < ratio["typical"] < ratio["greatest"]
    # At the latency it needs, with the same area and power, the ratio is the quoted one.
    ndr, needs = found["paths"]["ndr"]["typical"], ratio["needs"]["typical"]
    energy = ndr["energy_pJ"] * needs["latency_ns"] / ndr["latency_ns"]
    assert want / (needs["latency_ns"] * ndr["area_um2"] * energy) == pytest.approx(516)
    assert {row["board"] for row in found["fpga"]} >= {"ulx3s-85f"}


def test_every_constant_has_a_source() -> None:
    for parts in load_constants()["paths"].values():
        for part in parts.values():
            for quantity in part.values():
                assert len(quantity["source"]) > 10


def test_command_and_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["lae", "--show"]) == OK
    assert capsys.readouterr().out == CONSTANTS.read_text()
    assert run(["lae"]) == OK
    assert "1.3e+05" in capsys.readouterr().out
    content = yaml.safe_load(CONSTANTS.read_text())
    content["paths"]["ndr"]["device"]["area_um2"]["low"] = -1
    Path("mine.yaml").write_text(yaml.safe_dump(content))
    assert run(["lae", "--constants", "mine.yaml"]) == BAD_INPUT
    assert "mine.yaml: paths.ndr.device.area_um2.low is -1; accepted" in capsys.readouterr().err
    Path("mine.yaml").write_text("a: 1")
    assert run(["lae", "--constants", "mine.yaml"]) == BAD_INPUT
    assert "mine.yaml: field missing" in capsys.readouterr().err
    content["paths"]["ndr"]["device"]["area_um2"]["low"] = 1
    Path("mine.yaml").write_text(yaml.safe_dump(content))
    assert run(["lae", "--constants", "mine.yaml", "--json"]) == OK
    assert json.loads(capsys.readouterr().out)["ratios"]["analog"]["quoted"] == 1.3e5
