"""Convolutions, a residual and a network of curves: PyTorch modules of a few lines,
trained for a chip.

    python examples/own_layers.py               # UCI's digits, a minute
    python examples/own_layers.py --epochs 40 --chip dendritic-ndr

`ndrite.train` takes a module with its first random weights, and goes on through the
chip's errors. Needs ndrite[train,onnx].
"""

import argparse

import torch
from torch import nn

import ndrite
from ndrite.nn import Bases, Ndr


class Residual(nn.Module):
    """A convolution, two more with the map added behind them, the largest of 2
    x 2; NDR neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.one, self.two = (nn.Conv2d(c, 8, 3, padding=1) for c in (1, 8, 8))
        self.a, self.b, self.c = (Ndr(8) for _ in range(3))
        self.out = nn.Linear(8 * 4 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sums (n, 10) of samples (n, 64), each 8 x 8 pixels in 0..1."""
        x = self.a(self.first(x.view(-1, 1, 8, 8)))
        x = self.c(self.two(self.b(self.one(x))) + x)
        sums: torch.Tensor = self.out(nn.functional.max_pool2d(x, 2).flatten(1))
        return sums


def kan() -> nn.Module:
    """Three curves of every value, which the layer behind them sums, twice."""
    return nn.Sequential(
        Bases(64, 3), nn.Linear(3 * 64, 16), Bases(16, 3, low=-1, high=1), nn.Linear(3 * 16, 10)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--chip", default="wan2022")
    options = parser.parse_args()
    torch.manual_seed(0)
    for name, module in (("residual", Residual()), ("kan", kan())):
        floats = ndrite.train(data="digits", start=module, epochs=options.epochs, batch=64, rate=0.02)
        found = ndrite.train(
            data="digits", start=floats.network, chip=options.chip, epochs=3, batch=64, rate=0.002
        )
        compiled = ndrite.compile(found.network, options.chip)
        on_chip = ndrite.evaluate(compiled, count=200).accuracy
        print(f"{name}: float {found.summary['test_accuracy']:.3f}, on a die {on_chip:.3f} of 200 samples")


if __name__ == "__main__":
    main()
