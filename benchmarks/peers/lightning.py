"""aihwkit-lightning 2.1: its noise works in training mode only, so that is the
mode; no gradients."""

from typing import Any

import torch
from aihwkit_lightning.nn import AnalogLinear
from aihwkit_lightning.simulator.configs import TorchInferenceRPUConfig
from work import PROGRAMMING_ERROR, READ_NOISE, TILE, run

torch.set_num_threads(1)


def config() -> TorchInferenceRPUConfig:
    """Return the configuration: 8-bit converters, output noise, tiles of 128 rows,
    fixed input ranges."""
    rpu = TorchInferenceRPUConfig()
    rpu.mapping.max_input_size = TILE
    rpu.forward.inp_res = 254
    rpu.forward.out_res = 254
    rpu.forward.out_bound = 10
    rpu.forward.out_noise = READ_NOISE
    rpu.pre_post.input_range.enable = True
    rpu.pre_post.input_range.init_from_data = 0
    rpu.pre_post.input_range.init_value = 1.0
    rpu.pre_post.input_range.learn_input_range = False
    return rpu


LAYERS = [AnalogLinear(784, 128, bias=True, rpu_config=config()), AnalogLinear(128, 10, rpu_config=config())]


def make_chip(w0: Any, w1: Any) -> Any:
    """Program the weights with a new programming error and return the inference
    function; the activation is x exp(1 - x), as in ndrite's neurons."""
    with torch.no_grad():
        for layer, w in zip(LAYERS, (w0, w1), strict=True):
            clean = torch.from_numpy(w.T.copy())
            layer.weight.copy_(clean + PROGRAMMING_ERROR * clean.abs().max() * torch.randn_like(clean))

    def infer(x: Any) -> Any:
        with torch.no_grad():
            v = torch.relu(LAYERS[0](torch.from_numpy(x)))
            return LAYERS[1](v * torch.exp(1 - v)).numpy()

    return infer


if __name__ == "__main__":
    for part in LAYERS:
        part.train()
    run("aihwkit-lightning", make_chip)
