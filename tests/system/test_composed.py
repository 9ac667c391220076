"""Operators that are composed of several nodes, on the compiled gateware:
every bit golden's."""

from pathlib import Path

import pytest

from ndrite.boards.board import Board
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.mapping import MapOptions, map_network
from tests.chips import changed
from tests.extras import needs
from tests.stimulus import ran

needs("torch")
needs("onnx")

from ndrite.emulator.network.importing import import_model
from tests.emulator.network.importing.composed_models import FILES, MODULES, ON_BOARDS
from tests.emulator.network.importing.torch_models import TORCH

pytestmark = pytest.mark.long


CASES = {f"torch {name}": TORCH[f"torch {name}"] for name in MODULES}
CASES |= {name: FILES[f"onnx {name}, opset 24"] for name in ON_BOARDS}


@pytest.mark.parametrize("name", CASES)
def test_every_bit_is_the_golden_models(name: str, walker: Board, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    imported = import_model(case.model, samples=case.x)
    codes = imported.inputs.encode(case.x)
    assert walker.geometry is not None
    chip = changed("wan2022", array={"rows": walker.geometry.rows})
    for target in (None, walker.geometry):
        program = map_network(imported.network, chip, codes, options=MapOptions(target=target)).program
        board = SteppedBoard(walker)
        ran(board, program, codes[:3], seed=2)
        assert board.on_host == ()
