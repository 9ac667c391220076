"""What cannot be put on tiles is refused by name, with what is accepted."""

import copy
import math
import subprocess
import sys
from typing import Any

import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from ndrite import HostError
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec import GeometryError, SpecError
from tests.ndrite.tiles.conftest import read

X = torch.rand(20, 6)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("resnet", {}, "model is a str; accepted: a torch.nn.Module"),
        (nn.ReLU(), {}, r"ReLU has 0 matrix products by parameters; accepted: 1\.\.256, in Linear"),
        (nn.Sequential(*[nn.Linear(6, 6) for _ in range(257)]), {}, "Sequential has 257 matrix products"),
        (nn.Linear(6, 3), {"chip": "nothing"}, "nothing"),
        (nn.Linear(6, 3), {"seed": -1}, r"seed is -1; accepted: 0\.\.2\^48-1"),
        (nn.Linear(6, 3), {"samples": "x"}, "samples hold a str; accepted: tensors"),
        (nn.Linear(6, 3), {"samples": []}, "samples are empty"),
        (
            nn.Linear(6, 3),
            {"samples": X * torch.nan},
            "weight: the samples lead to values that are not finite",
        ),
        *((nn.Linear(6, 3), {"clip_rms": v}, f"clip_rms is {v}; accepted") for v in (-1.0, 0.0, math.nan)),
        (nn.Sequential(nn.LazyLinear(3)), {}, "0: its sizes are not known yet"),
        (
            nn.Linear(6, 3),
            {"samples": X[:9]},
            "weight: the samples give it 9 input vectors; accepted: at least 16",
        ),
        (ndrite.analog(nn.Linear(6, 3), "ideal", samples=X), {}, "on tiles already"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_refused_at_once(model: Any, options: dict[str, Any], said: str) -> None:
    given = {"chip": "wan2022", "samples": X} | options
    with pytest.raises((EmulatorError, HostError), match=said):
        ndrite.analog(model, **given)


CONV2D, CONV1D = nn.Sequential(nn.Conv2d(2, 3, 3)), nn.Sequential(nn.Conv1d(2, 3, 3))
MAPS, LINES = torch.rand(4, 2, 6, 6), torch.rand(9, 2, 6)
PACKED = nn.utils.rnn.pack_sequence([torch.rand(4, 6)])


@pytest.mark.parametrize(
    ("model", "samples", "x", "said"),
    [
        (
            nn.Linear(6, 3),
            X,
            torch.rand(2, 7),
            r"weight is given inputs of shape \(2, 7\); accepted: \(\.\.\., 6\)",
        ),
        (nn.Linear(6, 3), X, X * torch.inf, "x holds a value that is not finite"),
        (
            CONV2D,
            MAPS,
            torch.rand(4, 3, 6, 6),
            r"0 is given inputs of shape \(4, 3, 6, 6\); accepted: \(n, 2, H, W\)",
        ),
        (CONV1D, LINES, LINES[..., :2], r"0 is given maps of \(9, 2, 2\), smaller than its kernel"),
        (nn.LSTM(6, 3), torch.rand(5, 9, 6), PACKED, "LSTM is given a PackedSequence; accepted: a tensor"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_refused_when_called(model: Any, samples: Any, x: Any, said: str) -> None:
    tiled = ndrite.analog(model.eval(), "wan2022", samples=samples)
    with pytest.raises((EmulatorError, HostError, SpecError), match=said):
        read(tiled, x)
    # A failed pass leaves nothing behind.
    assert tiled.ndrite.executor is None


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda m: torch.jit.trace(m, (MAPS,)), "not traced"),
        (lambda m: torch.export.export(m, (MAPS,), strict=False), "not traced"),
        (torch.jit.script, "not traced"),
        (lambda m: torch.compile(m)(MAPS), "not traced"),
        (lambda m: torch.vmap(m)(MAPS[:, None]), "no values to read .*without vmap"),
        (lambda m: m(MAPS.to("meta")), r"no values to read \(device meta\)"),
        (lambda m: copy.deepcopy(m).to("meta")(MAPS), "weight is on the device meta, without values"),
    ],
    ids=["trace", "export", "script", "compile", "vmap", "meta", "meta module"],
)
def test_products_are_read_eagerly(use: Any, said: str) -> None:
    tiled = ndrite.analog(CONV2D.eval(), "wan2022", samples=MAPS)
    with pytest.raises(EmulatorError, match=said), torch.no_grad():
        use(tiled)
    assert tiled.ndrite.executor is None
    assert read(tiled, MAPS).shape == (4, 3, 4, 4)


def test_a_module_without_values() -> None:
    with pytest.raises(EmulatorError, match="weight is on the device meta"):
        ndrite.analog(nn.Linear(6, 3).to("meta"), "wan2022", samples=X)


@pytest.mark.parametrize(
    ("board", "error", "said"),
    [("nowhere", HostError, "board URL is 'nowhere'"), ("golden:tiny", GeometryError, None)],
)
def test_a_board_that_does_not_exist_and_one_too_small(board: str, error: Any, said: Any) -> None:
    tiled = ndrite.analog(nn.Linear(6, 3).eval(), "wan2022", samples=X, board=board)
    with pytest.raises(error, match=said):
        read(tiled, X)
    assert len(tiled.ndrite._boards) == (error is GeometryError), "a board that was opened is to be closed"


def test_without_torch_the_extra_is_named() -> None:
    code = "import sys; sys.modules['torch'] = None; import ndrite; ndrite.analog"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith(
        "MissingExtraError: this part of ndrite needs PyTorch: pip install 'ndrite[train]'\n"
    )
