"""What cannot be put on tiles is refused by name, with what is accepted."""

import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs ndrite[train]")

import torch
from torch import nn

import ndrite
from emulator.errors import EmulatorError
from ndrite import HostError

X = torch.rand(20, 6)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("resnet", {}, "model is a str; accepted: a torch.nn.Module"),
        (nn.ReLU(), {}, r"ReLU has 0 products; accepted: 1\.\.256, .*Linear"),
        (nn.Sequential(*[nn.Linear(6, 6) for _ in range(257)]), {}, "Sequential has 257 products"),
        (nn.Linear(6, 3), {"chip": "nothing"}, "nothing"),
        (nn.Linear(6, 3), {"seed": -1}, r"seed is -1; accepted: 0\.\.2\^48-1"),
        (nn.Linear(6, 3), {"samples": "x"}, "samples hold a str; accepted: tensors"),
        (nn.Linear(6, 3), {"samples": []}, "samples are empty"),
        (nn.Linear(6, 3), {"samples": X * torch.nan}, "weight: samples give it values that are not finite"),
        (nn.Sequential(nn.LazyLinear(3)), {}, "0: its sizes are not known yet"),
        (nn.Linear(6, 3), {"samples": X[:9]}, "weight: samples give it 9 inputs; accepted: at least 16"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_refused_at_once(model: Any, options: dict[str, Any], said: str) -> None:
    given = {"chip": "wan2022", "samples": X} | options
    with pytest.raises((EmulatorError, HostError), match=said):
        ndrite.analog(model, **given)


def test_a_module_on_tiles_is_not_put_there_again() -> None:
    model = ndrite.analog(nn.Linear(6, 3), "ideal", samples=X)
    with pytest.raises(EmulatorError, match="on tiles already"):
        ndrite.analog(model, "ideal", samples=X)


@pytest.mark.parametrize(
    ("model", "samples", "x", "said"),
    [
        (nn.Linear(6, 3), X, torch.rand(2, 7), r"weight is given \(2, 7\); accepted: \(\.\.\., 6\)"),
        (nn.Linear(6, 3), X, X * torch.inf, "x holds a value that is not finite"),
        (
            nn.Sequential(nn.Conv2d(2, 3, 3)),
            torch.rand(4, 2, 6, 6),
            torch.rand(4, 3, 6, 6),
            r"0 is given \(4, 3, 6, 6\); accepted: \(n, 2, H, W\)",
        ),
        (
            nn.Sequential(nn.Conv1d(2, 3, 3)),
            torch.rand(9, 2, 6),
            torch.rand(9, 2, 2),
            r"0 is given maps of \(9, 2, 2\), smaller than its kernel",
        ),
        (
            nn.LSTM(6, 3),
            torch.rand(5, 9, 6),
            nn.utils.rnn.pack_sequence([torch.rand(4, 6)]),
            "LSTM is given a PackedSequence; accepted: a tensor",
        ),
    ],
    ids=lambda v: type(v).__name__,
)
def test_refused_when_called(model: Any, samples: Any, x: Any, said: str) -> None:
    from emulator.spec import SpecError

    tiled = ndrite.analog(model.eval(), "wan2022", samples=samples)
    with pytest.raises((EmulatorError, HostError, SpecError), match=said), torch.no_grad():
        tiled(x)
    # A failed pass leaves nothing behind.
    assert tiled.ndrite.executor is None


def test_a_board_that_does_not_exist_and_one_too_small() -> None:
    with torch.no_grad():
        with pytest.raises(HostError, match="board URL is 'nowhere'"):
            ndrite.analog(nn.Linear(6, 3).eval(), "wan2022", samples=X, board="nowhere")(X)
        from emulator.spec import GeometryError

        with pytest.raises(GeometryError):
            ndrite.analog(nn.Linear(6, 3).eval(), "wan2022", samples=X, board="golden:tiny")(X)


def test_without_torch_the_extra_is_named() -> None:
    program = """
import sys
sys.modules["torch"] = None
import ndrite
from emulator.errors import MissingExtraError
try:
    ndrite.analog
except MissingExtraError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "this needs PyTorch: pip install 'ndrite[train]'"
