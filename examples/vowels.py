"""An LSTM on real sequences: nine speakers told apart by two vowels, trained in
PyTorch, on several dies.

    python examples/vowels.py                                   # the network in the package, five dies
    python examples/vowels.py --train --save vowels.npz         # train it (torch needed)
    python examples/vowels.py --data aeon-1.6.0-py3-none-any.whl

The data come with the package aeon (pip install --no-deps aeon), as a wheel or a folder
of .ts files too. 270 sequences to train with, 370 to test, up to 29 frames of 12
numbers; shorter ones have zeros in front. Converters are set by the training sequences.
Die d is drawn with seed d and read with noise seed d. The interval of the mean loss is
over dies and samples both, drawn again together.
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from on_dies import losses

import ndrite
from ndrite import intervals

HIDDEN, SPEAKERS, EACH, HELD_OUT = 32, 9, 30, 5
BATCH, RATE = 24, 0.005
WEIGHT_NOISE, INPUT_NOISE = 0.1, 0.1
"""Of the largest weight of a column, and of two standard deviations of a feature."""

Sequences = npt.NDArray[np.float32]


def train(x: Sequences, labels: npt.NDArray[np.uint8], epochs: int, seed: int) -> Any:
    """One LSTM layer, its last output, a full layer; noise on weights and inputs at every step.

    The last five sequences of each speaker are held out; the epoch whose noisy loss on
    them is least is taken.
    """
    import torch
    from torch import nn
    from torch.func import functional_call

    class Speaker(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(x.shape[2], HIDDEN, batch_first=True)
            self.out = nn.Linear(HIDDEN, SPEAKERS)

        def forward(self, sequences: Any) -> Any:
            return self.out(self.lstm(sequences)[0][:, -1])

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = Speaker()
    # Two standard deviations become 1, so that one rate suits all features.
    scale = torch.tensor(2 * x.reshape(-1, x.shape[2]).std(axis=0))
    given, classes = torch.tensor(x) / scale, torch.tensor(labels.astype(np.int64))
    held = torch.arange(len(x)) % EACH >= EACH - HELD_OUT
    rows = torch.arange(len(x))[~held]
    with torch.no_grad():
        model.lstm.bias_ih_l0[HIDDEN : 2 * HIDDEN] = 1.0  # cells begin by remembering

    def noisy(sequences: Any) -> Any:
        weights = dict(model.named_parameters())
        both = torch.cat([model.lstm.weight_ih_l0, model.lstm.weight_hh_l0], dim=1)
        for name, weight in weights.items():
            if "weight" in name:
                column = both if "lstm" in name else weight
                most = column.detach().abs().amax(dim=1, keepdim=True)
                weights[name] = weight + WEIGHT_NOISE * most * torch.randn_like(weight)
        return functional_call(model, weights, (sequences,))

    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    steps = epochs * len(rows.split(BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    best: tuple[float, int, dict[str, Any]] = (np.inf, 0, {})
    for epoch in range(epochs):
        for part in rows[torch.randperm(len(rows))].split(BATCH):
            there = (given[part] != 0).any(dim=2, keepdim=True)
            moved = (given[part] + INPUT_NOISE * torch.randn_like(given[part])) * there
            loss = nn.functional.cross_entropy(noisy(moved), classes[part], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            drawn = [nn.functional.cross_entropy(noisy(given[held]), classes[held]) for _ in range(5)]
        loss_held = float(torch.stack(drawn).mean())
        if loss_held < best[0]:
            best = loss_held, epoch, {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(best[2])
    with torch.no_grad():
        right = model(given[held]).argmax(dim=1) == classes[held]
        model.lstm.weight_ih_l0 /= scale
    print(f"epoch    {best[1] + 1} of {epochs}: {int(right.sum())} of {int(held.sum())} held out are right")
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", nargs="?", type=Path, help="float network; default: the shipped one")
    parser.add_argument("--data", type=Path, help="folder or wheel; default: the installed aeon")
    parser.add_argument("--train", action="store_true", help="train instead of reading a network")
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="write the float network here")
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--dies", type=int, default=5)
    options = parser.parse_args()

    try:
        x, labels, test, test_labels = ndrite.networks.japanese_vowels(options.data)
    except ndrite.EmulatorError as error:
        parser.error(str(error))
    if options.train:
        begin = time.monotonic()
        imported = ndrite.networks.import_model(
            train(x, labels, options.epochs, options.seed), samples=x, name="lstm-japanese-vowels"
        )
        report = imported.report
        print(f"trained  in {time.monotonic() - begin:.0f} s, one thread, with the import")
        print(f"import   rms error {report.error_rms:.3g} of outputs whose rms is {report.output_rms:.3g}")
        right = imported.reference(test).argmax(axis=1) == test_labels
        print(f"PyTorch  {intervals.percent(float(right.mean()), len(test))} of {len(test)} samples")
        network = imported.network
        network = dataclasses.replace(
            network, meaning=dataclasses.replace(network.meaning, data_set="japanese-vowels")
        )
        if options.save:
            network.save(options.save)
    elif options.network:
        network = ndrite.networks.load_network(options.network)
    else:
        network = ndrite.networks.shipped_network("lstm")
    inputs = network.meaning.inputs
    if inputs is None:
        parser.error(f"{network.name}: no input range in it; accepted: an imported network")
    right = network.forward(inputs.unit(test)).argmax(axis=1) == test_labels
    print(f"float    {intervals.percent(float(right.mean()), len(test))} of {len(test)} samples")
    samples, codes = inputs.encode(x), inputs.encode(test)
    program = ndrite.compile(network, "ideal", samples=samples, codes=True).program
    with ndrite.connect("golden:") as board:
        board.program(program)
        good = board.infer(codes).argmax(axis=1) == test_labels
    print(f"ideal    {intervals.percent(float(good.mean()), len(test))}, 8-bit codes and tables only")
    for line in losses(
        network, options.chip, samples, codes, test_labels, right, dies=options.dies, what="samples"
    ):
        print(line, flush=True)


if __name__ == "__main__":
    main()
