"""The build id follows the sources and the geometry, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from boards import build_id as module
from boards.build_id import build_id
from emulator.spec import PRESETS


def test_same_sources_same_id() -> None:
    assert build_id(PRESETS["sim"]) == build_id(dataclasses.replace(PRESETS["sim"], name="other"))
    assert 0 < build_id(PRESETS["sim"]) < 1 << 64


def test_every_geometry_field_counts() -> None:
    ids = {build_id(g) for g in PRESETS.values()}
    assert len(ids) == len(PRESETS)
    assert build_id(dataclasses.replace(PRESETS["tiny"], noise=False)) not in ids


def test_a_changed_source_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    monkeypatch.setattr(module, "_folder", lambda package: tmp_path)
    ids = []
    for content in (b"x = 1\n", b"x = 1\r\n", b"x = 2\n"):
        (tmp_path / "a.py").write_bytes(content)
        module._sources.cache_clear()
        ids.append(build_id(PRESETS["tiny"]))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    module._sources.cache_clear()
    ids.append(build_id(PRESETS["tiny"]))
    module._sources.cache_clear()
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
