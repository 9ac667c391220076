"""LeNet-5 on real digits: trained in PyTorch, through ONNX, onto a chip, and bit
for bit in gateware.

    python examples/lenet5.py                          # the network that is in the package
    python examples/lenet5.py --train --onnx lenet5.onnx --save lenet5.npz   # train it (torch and onnx
    needed)

The digits are UCI's, 8 x 8 pixels (1,297 to train with, the last 500 to test), enlarged
to LeNet-5's 32 x 32.
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

import ndrite

SIDE = 32


def train(epochs: int, seed: int) -> Any:
    """LeNet-5 (5 x 5 kernels, 6-16-120-84-10, ReLU, max pooling), digits moved
    by up to 2 pixels."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    data = ndrite.data_set("digits-32")
    labels = data.labels
    images = torch.tensor(data.x.reshape(-1, 1, SIDE, SIDE) / 255, dtype=torch.float32)
    classes = torch.tensor(labels.astype(np.int64))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for part in torch.randperm(len(images)).split(32):
            moved = torch.roll(images[part], tuple(torch.randint(-2, 3, (2,)).tolist()), (2, 3))
            loss = nn.functional.cross_entropy(model(moved), classes[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def through_onnx(model: Any, path: Path) -> ndrite.Network:
    """Export to ONNX, import that, and say what it costs."""
    import torch

    axes = {"x": {0: "batch"}}
    example = (torch.zeros(1, 1, SIDE, SIDE),)
    torch.onnx.export(model, example, path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    samples = ndrite.data_set("digits-32").x.reshape(-1, 1, SIDE, SIDE) / 255
    imported = ndrite.networks.import_model(path, samples=samples, input_range=(0, 1), name="lenet5-digits")
    report = imported.report
    print(f"import: rms error {report.error_rms:.3g} of outputs whose rms is {report.output_rms:.3g}")
    return imported.network


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", action="store_true", help="train instead of taking the shipped network")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--onnx", type=Path, default=Path("lenet5.onnx"), help="ONNX file on the way")
    parser.add_argument("--save", type=Path, help="write the imported network here")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--board", default="sim:")
    parser.add_argument("--count", type=int, default=20, help="test samples on the board")
    options = parser.parse_args()

    if options.train:
        network = through_onnx(train(options.epochs, options.seed), options.onnx)
        network = dataclasses.replace(
            network, meaning=dataclasses.replace(network.meaning, data_set="digits-32")
        )
        if options.save:
            network.save(options.save)
    else:
        network = ndrite.networks.shipped_network("lenet5")
    data = ndrite.data_set("digits-32")
    samples, test, labels = data.x[:256], data.test_x, data.test_labels
    print(f"float software          {len(test)} samples  {100 * network.accuracy(test, labels):.2f} %")
    with ndrite.connect(options.board) as board:
        array = board.geometry or ndrite.devices.Geometry()
    for what, target in (("one kernel at a time", None), ("kernels side by side", array)):
        program = ndrite.compile(network, options.chip, samples=samples, codes=True, target=target).program
        golden = ndrite.evaluate(program, test, labels, codes=True)
        begin = time.monotonic()
        rtl = ndrite.evaluate(
            program, test[: options.count], labels[: options.count], board=options.board, codes=True
        )
        seconds = time.monotonic() - begin
        print(f"{options.chip}, {what}: blocks {[product.block for product in program.products]}")
        print(f"  golden model          {golden.samples} samples  {100 * golden.accuracy:.2f} %")
        print(
            f"  board {options.board:<17} {rtl.samples} samples  {100 * rtl.accuracy:.2f} %  golden, the "
            f"same: "
            f"{100 * rtl.accuracy_golden:.2f} %  samples that differ in any bit: {rtl.mismatches}"
        )
        if rtl.mac_use is not None and rtl.array_busy is not None:
            print(
                f"  clock cycles an image {rtl.cycles_per_inference:,.1f}; array busy "
                f"{100 * rtl.array_busy:.1f} %, MAC use {100 * rtl.mac_use:.1f} %  "
                f"({seconds:.0f} s to simulate)"
            )


if __name__ == "__main__":
    main()
