"""aihwkit-lightning 2.1 on the language model of examples/: every full layer and the
head on analog tiles.

    python lightning_llama.py MODEL.gguf

Prints JSON: tokens a second on one thread, in decoding and in a batch; 8-bit inputs,
12-bit converters, output noise and weights that are off by 4 % of their column's
largest, in training mode (noise works in no other), without gradients. Run by
``benchmarks/decoding.py``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from aihwkit_lightning.nn import AnalogLinear
from lightning import config
from torch import nn
from work import PROGRAMMING_ERROR

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from llama import HEAD, Gguf, Llama, tokens_per_second

torch.set_num_threads(1)


def analog(weight: Any) -> Any:
    """A layer on tiles whose weights (outputs, inputs) are programmed with an error."""
    rpu = config()
    rpu.forward.out_res = (1 << 12) - 2
    layer = AnalogLinear(weight.shape[1], weight.shape[0], bias=False, rpu_config=rpu)
    error = PROGRAMMING_ERROR * weight.abs().amax(1, keepdim=True) * torch.randn_like(weight)
    layer.weight.copy_(weight + error)
    return layer


class OnTiles(Llama):
    """The model with every product of its weights on tiles, the head among them."""

    def __init__(self, file: Gguf) -> None:
        super().__init__(file)
        for block in self.blocks:
            for name, layer in list(block.named_children()):
                if isinstance(layer, nn.Linear):
                    setattr(block, name, analog(layer.weight))
        self.head = nn.ModuleList(analog(part) for part in self.embedding.weight.split(HEAD))

    def logits(self, x: Any) -> Any:
        return torch.cat([part(x) for part in self.head], -1)


with torch.no_grad():
    model = OnTiles(Gguf(Path(sys.argv[1]))).train()
rates = tokens_per_second(model, torch.arange(4 * 128).view(4, 128))
print(
    json.dumps(
        {"peer": "aihwkit-lightning", "tokens_per_s": {name: clock for name, (clock, _) in rates.items()}}
    )
)
