"""PyTorch modules through torch.fx."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.emulator.network.importing import architectures as nets
from tests.emulator.network.importing.cases import Build, Case, net, nn, normal, seeded, torch, torch_case


@net(lambda: {"a": nn.Linear(12, 24), "b": nn.Linear(24, 16), "c": nn.Linear(16, 3)})
def composite(m: Any, x: Any) -> Any:
    """Swish and a dendrite written out, and an activation that torch has no module for."""
    x = m.a(x)
    u = torch.clamp(m.b(x * torch.sigmoid(x)) + 0.5, min=0)
    return m.c(u * torch.exp(1 - u))


class Normalised(nn.Module):
    """Takes a mean and a deviation off, by channel or for all, before its layers."""

    def __init__(self, mean: list[float], *layers: Any) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return self.layers((x - self.mean) / 0.4)


@net(
    lambda: {
        "c1": nn.Conv2d(1, 4, 3, padding=1),
        "c2": nn.Conv2d(4, 8, 3),
        "f1": nn.Linear(32, 20),
        "f2": nn.Linear(20, 10),
    }
)
def lenet(m: Any, x: Any) -> Any:
    x = torch.max_pool2d(torch.relu(m.c1(x)), 2)
    x = torch.nn.functional.avg_pool2d(torch.tanh(m.c2(x)), 2)
    return m.f2(torch.relu(m.f1(x.view(x.size(0), -1))))


def _sequential(*layers: Any) -> Build:
    def build(folder: Path) -> Case:
        model = seeded(lambda: nn.Sequential(*(layer() for layer in layers)))
        first = next(m for m in model.modules() if isinstance(m, nn.Linear))
        return torch_case(model, normal(300, first.in_features))

    return build


def _maps(build: Callable[[], Any]) -> Build:
    def case(folder: Path) -> Case:
        return torch_case(seeded(build), normal(60, 1, 12, 12), (1, 12, 12))

    return case


def _padded_after_normalising() -> Any:
    """Zeros around maps whose zero is no code of 0; a function after pooling; batch norms on either side."""
    return Normalised(
        [0.3],
        *(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.BatchNorm2d(4)),
        *(nn.Conv2d(4, 6, 3), nn.Hardtanh(), nn.AvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(24)),
        nn.Linear(24, 5),
    )


def _padded_tanh() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3, padding=1, stride=2), nn.LeakyReLU(0.1)),
        *(nn.Flatten(), nn.Linear(100, 5), nn.Tanh()),
    )


def _no_activation() -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.AvgPool2d(2), nn.Conv2d(4, 4, 2, dilation=2), nn.ELU(), nn.Flatten()),
        *(nn.Linear(36, 8), nn.Linear(8, 5)),
    )


def _pooled_out() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def _two_channels(folder: Path) -> Case:
    layers = (nn.Conv2d(2, 4, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(400, 3))
    model = seeded(lambda: Normalised([0.1, 0.4], *layers))
    return torch_case(model, normal(60, 2, 12, 12), (2, 12, 12))


@net(
    lambda: {
        "down": nn.Conv2d(1, 4, 3, padding=1),
        "low": nn.Conv2d(4, 6, 3, padding=1),
        "up": nn.Upsample(scale_factor=2),
        "wide": nn.Upsample(scale_factor=(1, 3)),
        "high": nn.Conv2d(10, 3, 3, padding=1),
        "out": nn.Conv2d(3, 1, 1),
    }
)
def skipped(m: Any, x: Any) -> Any:
    """An encoder and a decoder, joined beside its bottom: what a small U-Net is."""
    first = torch.relu(m.down(x))
    low = torch.tanh(m.low(torch.max_pool2d(first, 2)))
    return m.out(m.wide(torch.relu(m.high(torch.cat([m.up(low), first], 1))))).flatten(1)


def _framed() -> Any:
    """Constants other than 0 around maps, before and behind a function."""
    return nn.Sequential(
        *(nn.ConstantPad2d((1, 0, 2, 1), 0.7), nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.ConstantPad2d(1, 0.25)),
        *(nn.AvgPool2d(3), nn.ConstantPad2d((0, 1, 0, 0), -1.5), nn.Flatten(), nn.Linear(100, 5)),
    )


def _batch_norms() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, stride=2, groups=2),
        nn.GELU(),
        nn.BatchNorm2d(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def _saved_file(folder: Path) -> Case:
    model = seeded(lambda: nn.Sequential(nn.Linear(10, 16), nn.Softplus(), nn.Dropout(), nn.Linear(16, 4)))
    case = torch_case(model, normal(200, 10))
    torch.save(model, folder / "model.pt")
    case.model = folder / "model.pt"
    return case


def prelu_by_channel() -> Any:
    """A slope for each channel of maps and for each feature, none of them trivial."""
    model = nn.Sequential(
        *(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.PReLU(4),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.PReLU(6),
        ),
        *(nn.Flatten(), nn.Linear(216, 12), nn.BatchNorm1d(12), nn.PReLU(12), nn.Linear(12, 4)),
    )
    for module in model.modules():
        if isinstance(module, nn.PReLU):
            module.weight.data = torch.linspace(-0.3, 0.9, module.weight.numel())
    return model


def _average_then_padded() -> Any:
    """Biases so high that few samples never see the ReLU at 0."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(125, 3)),
    )
    model[0].bias.data += 2.5
    return model


def _padded_sigmoid() -> Any:
    """Outputs in 0.2..0.8: what 0 maps to lies outside of what the samples span."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 5, 3, padding=1), nn.Tanh(), nn.Flatten()),
        nn.Linear(500, 3),
    )
    model[0].weight.data *= 0.5
    return model


def row_network() -> Any:
    return nn.Sequential(
        *(
            nn.Conv1d(2, 6, 5, padding=2, stride=2),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(6, 8, 3, dilation=2),
        ),
        *(nn.Tanh(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(16, 3)),
    )


def kaiming(model: Any) -> Any:
    """Weights that keep a deep network's values in range."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return model


def _net(build: Callable[[], Any], n: int, *shape: int, calls_first: bool = False) -> Build:
    def case(folder: Path) -> Case:
        return torch_case(seeded(build), normal(n, *shape), calls_first=calls_first)

    return case


def _deep(build: Callable[[], Any], n: int, *shape: int) -> Build:
    return _net(lambda: kaiming(build()), n, *shape)


TORCH: dict[str, Build] = {
    "torch relu": _sequential(lambda: nn.Linear(20, 32), nn.ReLU, lambda: nn.Linear(32, 5)),
    "torch gelu, batch norms": _sequential(
        lambda: nn.BatchNorm1d(20),
        lambda: nn.Linear(20, 32),
        lambda: nn.BatchNorm1d(32),
        nn.GELU,
        lambda: nn.BatchNorm1d(32),
        lambda: nn.Linear(32, 16),
        nn.Tanh,
        lambda: nn.Linear(16, 3),
    ),
    "torch three full layers, leaky relu, sigmoid out": _sequential(
        lambda: nn.Linear(8, 8), lambda: nn.Linear(8, 12), nn.LeakyReLU, lambda: nn.Linear(12, 1), nn.Sigmoid
    ),
    "torch 300 inputs": _sequential(lambda: nn.Linear(300, 20), nn.Hardswish, lambda: nn.Linear(20, 4)),
    "torch composite": lambda folder: torch_case(seeded(composite), normal(300, 12)),
    "torch lenet": _maps(lenet),
    "torch convolutions, batch norms, groups": _maps(_batch_norms),
    "torch upsampled, joined": _maps(skipped),
    "torch framed by constants": _maps(_framed),
    "torch normalised, padded convolution": _maps(_padded_after_normalising),
    "torch tanh, padded convolution": _maps(_padded_tanh),
    "torch convolution without activation": _maps(_no_activation),
    "torch convolution, pooled out": _maps(_pooled_out),
    "torch two channels normalised": _two_channels,
    "torch file": _saved_file,
    "torch prelu by channel": _maps(prelu_by_channel),
    "torch relu, average pooling, padded convolution": _maps(_average_then_padded),
    "torch sigmoid, padded convolution": _maps(_padded_sigmoid),
    "torch 1-D convolutions": lambda folder: torch_case(seeded(row_network), normal(60, 2, 32), (2, 32)),
    "torch vgg-8": _deep(nets.vgg8, 12, 3, 32, 32),
    "torch resnet-20": _deep(lambda: nets.ResNet(3), 8, 3, 32, 32),
    "torch mobilenet v1 0.25": _deep(nets.mobilenet, 8, 3, 32, 32),
    "torch mobilenet v2 blocks": _deep(nets.inverted_residual, 24, 3, 16, 16),
    "torch ds-cnn": _deep(nets.ds_cnn, 24, 1, 49, 10),
    "torch pre-activation residuals": _deep(nets.pre_act, 40, 2, 10, 10),
    "torch densenet": _net(nets.dense_net, 40, 3, 10, 10),
    "torch u-net": _net(nets.u_net, 30, 1, 14, 14),
    "torch inception": _net(nets.inception, 40, 3, 10, 10),
    "torch squeeze and excite": _net(nets.squeeze_excite, 40, 3, 8, 8),
    "torch spatial gate": _net(nets.spatial_gate, 40, 2, 9, 9),
    "torch shuffled channels": _net(nets.shuffle, 40, 3, 11, 11),
    "torch residual mlp": _net(nets.residual_mlp, 200, 12),
    "torch residual taken off": _net(nets.taken_off, 200, 12),
    "torch sums of branches": _net(nets.sums, 200, 9),
    "torch signs": _deep(nets.signs, 60, 2, 14, 14),
    "torch highway": _net(nets.highway, 200, 10),
    "torch two inputs": _net(nets.two_inputs, 200, 12),
    "torch functions of inputs": _net(nets.on_inputs, 40, 2, 12, 12),
    "torch channels last": _net(nets.channels_last, 40, 2, 9, 9),
    "torch rearranged": _net(nets.rearranged, 60, 1, 12, 12),
    "torch temporal": _net(nets.temporal, 60, 3, 20),
    "torch autoencoder": _net(nets.autoencoder, 100, 1, 12, 12),
    "torch convolutional autoencoder": _net(nets.convolutional_autoencoder, 30, 1, 12, 12),
    "torch lstm, two layers": _net(
        lambda: nets.Recurrent("LSTM", "first axis", num_layers=2, batch_first=True), 60, 9, 5
    ),
    "torch lstm, calls first": _net(
        lambda: nets.Recurrent("LSTM", "calls first"), 60, 9, 5, calls_first=True
    ),
    "torch gru": _net(lambda: nets.Recurrent("GRU", "hidden", batch_first=True), 60, 9, 5),
    "torch rnn relu": _net(
        lambda: nets.Recurrent("RNN", "hidden", batch_first=True, nonlinearity="relu"), 60, 6, 5
    ),
    "torch lstm cells": _net(lambda: nets.Cells("LSTMCell", 6), 60, 6, 4),
    "torch gru cells": _net(lambda: nets.Cells("GRUCell", 6), 60, 6, 4),
    "torch gru behind a full layer": _net(nets.projected, 60, 7, 5),
}
