"""The state of an unfinished run: only of the same run, of the same code, and
as it was written."""

from pathlib import Path

import pytest

from ndrite.emulator.spec import state_file
from ndrite.emulator.spec.state_file import StateError, load_state, save_state


def test_a_state_comes_back_to_its_own_run_alone(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_state(path, {"seed": 1, "plan": (1, 2)}, b"content\nof two lines")
    assert load_state(path, {"plan": [1, 2], "seed": 1}) == b"content\nof two lines"
    for other, named in (
        ({"seed": 2, "plan": (1, 2)}, "differs in seed;"),
        ({"seed": 1}, "differs in plan;"),
        ({"seed": 2, "plan": 3, "more": 4}, "differs in more, plan, seed;"),
    ):
        with pytest.raises(StateError, match=named):
            load_state(path, other)
    with pytest.raises(StateError, match="differs in code of emulator;"):
        load_state(path, {"seed": 1, "plan": [1, 2]}, code="of another")
    save_state(path, {}, b"", code="mine")
    assert load_state(path, {}, code="mine") == b""
    with pytest.raises(StateError, match="differs in code of emulator;"):
        load_state(path, {})


def test_code_is_known_by_the_names_and_the_contents_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.setattr(state_file, "files", lambda package: tmp_path)
    digests = []
    for name, content in (("a.py", "1"), ("a.py", "2"), ("inner/a.py", "1"), ("inner/b.py", "1")):
        (tmp_path / name).write_text(content)
        digests.append(state_file.code_digest.__wrapped__())
    assert len(set(digests)) == 4
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "inner/a.py").unlink()
    (tmp_path / "inner/b.py").unlink()
    assert state_file.code_digest.__wrapped__() == digests[0]
