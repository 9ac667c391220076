"""The example of any PyTorch model: each model is short, and goes onto a die as it is."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs ndrite[train]")

import torch

import ndrite

EXAMPLE = Path(__file__).parents[2] / "examples" / "any_model.py"
LINES = 25
PARTS = {"resnet": ("Block", "resnet"), "lstm": ("Lstm",), "transformer": ("Transformer",), "unet": ("UNet",)}
INPUTS = {
    "resnet": (16, 1, 28, 28),
    "lstm": (16, 29, 12),
    "transformer": (16, 29, 12),
    "unet": (16, 1, 28, 28),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_model_takes_fewer_lines(name: str) -> None:
    text = EXAMPLE.read_text()
    nodes = [n for n in ast.parse(text).body if getattr(n, "name", "") in PARTS[name]]
    assert len(nodes) == len(PARTS[name])
    said = [line for node in nodes for line in (ast.get_source_segment(text, node) or "").splitlines()]
    written = [line for line in said if line.strip()]
    assert len(written) + 1 < LINES  # and the call of ndrite.analog


@pytest.mark.parametrize("name", INPUTS)
def test_a_model_runs_on_a_die(name: str) -> None:
    spec = importlib.util.spec_from_file_location("any_model", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    torch.manual_seed(0)
    model, x = example.MODELS[name][0]().eval(), torch.rand(INPUTS[name])
    chip = ndrite.analog(model, "wan2022", samples=x)
    with torch.no_grad():
        y, wanted = chip(x), model(x)
    assert y.shape == wanted.shape
    assert (y - wanted).abs().max() > 0
    assert (y - wanted).square().mean() < 0.3 * wanted.var()
    assert chip.ndrite.table().share > 0.8
