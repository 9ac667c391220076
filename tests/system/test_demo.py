"""The demo's acceptance figures."""

import json
from pathlib import Path

import pytest

from ndrite.shell.main import OK, run


@pytest.mark.parametrize("board", ["golden:64-lane", pytest.param("sim:", marks=pytest.mark.long)])
def test_demo(board: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "demo.png"
    assert run(["demo", "--board", board, "--json", "--picture", str(picture)]) == OK
    report = json.loads(capsys.readouterr().out)
    assert report["mismatches"] == 0
    assert report["samples_golden"] == 10_000
    assert report["samples_rtl"] >= 500
    assert report["accuracy_float"] >= 0.887
    assert report["accuracy_float"] - report["accuracy_golden"] <= 0.0103
    assert report["accuracy_rtl"] == report["accuracy_golden_on_rtl_samples"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    if board == "sim:":
        assert report["array_busy"] >= 0.95
        # Rows of zeros are not passed over: of the products that are left it does so many.
        assert report["mac_use"] < 1 - report["zeros"] < 0.7


def test_demo_prints_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--board", "golden:64-lane", "--count", "100"]) == OK
    out = capsys.readouterr().out
    for text in ("float software", "golden model", "board golden:64-lane", "every bit equal"):
        assert text in out
    assert (tmp_path / "ndrite-demo.png").is_file()
