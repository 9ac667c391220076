"""What a module loses on tiles, by cause and by product, and what is better left digital."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.extras import needs

needs("torch")
needs("onnx")

import torch
from torch import nn

import ndrite
from ndrite.emulator.errors import EmulatorError
from ndrite.intervals import mean_interval
from ndrite.losses import ALL, DIE, INPUTS
from tests.chips import changed
from tests.ndrite.tiles.conftest import module

CHIP = changed("wan2022", cell={"read_noise_percent": 3.0, "stuck_low_percent": 1.0})


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4)).eval()


@pytest.fixture(scope="module")
def x() -> Any:
    return torch.rand(300, 12, generator=torch.Generator().manual_seed(1))


def rms_error(net: Any, x: Any) -> Any:
    """Metric: root mean square distance of a module's outputs from the plain
    module's, 1 added."""
    with torch.no_grad():
        wanted = net(x)
    return lambda tiled: 1.0 + float((tiled(x) - wanted).square().mean().sqrt())


def test_causes_are_those_of_the_network_imported(net: Any, x: Any) -> None:
    """By the imported network's own explanation: its rms errors of outputs, causes
    of products only."""
    loss = ndrite.explain(net, chip=CHIP, samples=x[:200], metric=rms_error(net, x), products=False)
    assert loss.reference == pytest.approx(1.0, abs=1e-6)
    compiled = ndrite.compile(net, CHIP, samples=x[:200].numpy(), input_range=(0.0, 1.0), task="values")
    with torch.no_grad():
        wanted = net(x).numpy()
    imported = ndrite.explain(compiled, x.numpy(), wanted, measure="rms_error").explanation
    scale = float(wanted.std())
    compared = 0
    for cause, (value,) in loss.causes.items():
        if cause in (INPUTS, ALL, DIE, "drift", "drift since correction", "telegraph noise", "IR drop"):
            continue
        expected = imported.row(cause).score_corrected
        # Other cells and ranges are drawn for each: the same law on 384 weights, not
        # the same numbers.
        assert value - 1.0 == pytest.approx(expected, rel=0.5, abs=0.002 * scale), cause
        compared += 1
    assert compared == 9
    errors = {cause: value - 1.0 for cause, (value,) in loss.causes.items()}
    assert errors[ALL] == pytest.approx(errors[DIE], rel=0.25)
    powers = sum(e**2 for cause, e in errors.items() if cause not in (ALL, DIE)) ** 0.5
    assert errors[ALL] == pytest.approx(powers, rel=0.25), "small independent errors add as powers"


class Residual(nn.Module):
    """Two layers of one size, whose errors add in a third."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.first(x))
        return self.last(torch.relu(y + self.second(y)))


def convolutions() -> Any:
    layers = (nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 2), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4, 3))


@pytest.mark.parametrize(("make", "shape"), [(convolutions, (1, 6, 6)), (Residual, (16,))])
def test_causes_are_those_of_the_network_imported_over_dies(make: Any, shape: tuple[int, ...]) -> None:
    """Mean errors of outputs over three dies: each cause within the intervals of
    both explanations."""
    torch.manual_seed(3)
    net, x, dies = make().eval(), torch.rand(200, *shape), 3
    metric = rms_error(net, x)
    loss = ndrite.explain(net, chip=CHIP, samples=x[:120], metric=metric, products=False, dies=dies)
    with torch.no_grad():
        wanted = net(x).numpy()
    imported: dict[str, list[float]] = {}
    for seed in range(dies):
        how: dict[str, Any] = {"samples": x[:120].numpy(), "input_range": (0.0, 1.0), "task": "values"}
        compiled = ndrite.compile(net, CHIP, seed=seed, **how)
        explanation = ndrite.explain(compiled, x.numpy(), wanted, measure="rms_error", seed=seed).explanation
        for row in explanation.rows:
            score = row.score if row.score_corrected is None else row.score_corrected
            imported.setdefault(row.cause, []).append(score)
    imported[DIE] = imported.pop("program (golden model)")
    codes = imported["IR drop"][0]  # the chip has no wires: what is left is the rounding of inputs
    compared = set()
    for cause in {*loss.causes} & {*imported}:
        mean, half = mean_interval(np.array(loss.causes[cause]) - 1)
        theirs = np.array(imported[cause])
        expected, other = mean_interval(np.sqrt(np.maximum(theirs**2 - codes**2, 0)))
        assert abs(mean - expected) <= half + other + 0.1 * expected + 1e-6, cause
        compared |= {cause} if expected > codes else set()
    causes = {"quantised weights", "programming error", "faults", "ADC clipping", "read noise"}
    assert compared >= causes | {ALL, DIE}


def test_read_noise_of_products_and_dies_is_independent() -> None:
    """Of two layers of one size, the errors of sum and difference have one mean
    square; dies differ."""
    errors = {}
    for sign in (1, -1):
        torch.manual_seed(4)
        parts = {"first": nn.Linear(12, 8), "second": nn.Linear(12, 8)}
        net, x = module(lambda m, v, sign=sign: m.first(v) + sign * m.second(v), **parts), torch.rand(200, 12)
        chip = changed("ideal", cell={"read_noise_percent": 3.0})
        how = {"chip": chip, "samples": x, "metric": rms_error(net, x), "products": False, "dies": 2}
        loss = ndrite.explain(net, **how)
        errors[sign] = np.array(loss.causes["read noise"]) - 1
    assert errors[1] == pytest.approx(errors[-1], rel=0.15)
    assert errors[1][0] != errors[1][1]


def test_a_product_alone_and_dies_with_their_interval(net: Any, x: Any) -> None:
    seen = list[tuple[int, int]]()

    @contextmanager
    def progress(what: str) -> Iterator[Any]:
        yield lambda *done: seen.append(done)

    how: dict[str, Any] = {"chip": CHIP, "samples": x[:200], "metric": rms_error(net, x)}
    loss = ndrite.explain(net, **how, dies=3, progress=progress)
    assert list(loss.products) == ["0", "2"]
    assert [len(values) for values in loss.products.values()] == [3, 3]
    assert len({value for values in loss.products.values() for value in values}) == 6
    whole = np.mean(loss.causes[DIE]) - 1
    parts = [np.mean(values) - 1 for values in loss.products.values()]
    assert 0 < max(parts) < whole < 1.3 * sum(parts)
    assert seen[-1] == (len(seen), len(seen))
    assert sum(loss.shares.values()) == pytest.approx(1.0)
    plain = loss.as_dict()["causes"][DIE]
    low, high = plain["interval_95"]
    assert low < plain["mean"] < high
    assert [len(table.rows) for table in loss.tables()] == [len(loss.causes), 2]


def test_convolutions_and_layers_between_them_are_explained() -> None:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 3, 3, groups=3), nn.Flatten())
    x = torch.rand(40, 2, 6, 5)
    ideal = ndrite.explain(net.eval(), chip="ideal", samples=x, metric=rms_error(net, x), products=False)
    assert max(value for (value,) in ideal.causes.values()) < 1.01
    assert ideal.causes[ALL][0] == pytest.approx(ideal.causes[DIE][0], abs=0.002)


def test_the_worst_products_stay_digital() -> None:
    """Of four layers beside each other, one is 20 times as loud: it alone
    has to stay digital."""
    torch.manual_seed(7)
    parts = {f"part{i}": nn.Linear(16, 3) for i in range(4)}
    with torch.no_grad():
        parts["part2"].weight.mul_(20)
    net = module(lambda m, v: sum(getattr(m, name)(v) for name in parts), **parts)
    x = torch.rand(200, 16)
    metric = rms_error(net, x)
    everything = ndrite.explain(net, chip=CHIP, samples=x, metric=metric)
    assert max(everything.products, key=lambda name: everything.products[name]) == "part2"
    limit = 0.5 * (everything.causes[DIE][0] - 1.0)
    placed = ndrite.place(net, CHIP, x, metric, loss=limit)
    assert placed.digital == ("part2",)
    assert list(placed.lines()) == ["4 products were measured alone"]
    assert max(placed.harm, key=lambda name: placed.harm[name]) == "part2"
    assert [row[0] for row in placed.curve] == [0, 2, 1], "found by bisection, nothing to trim"
    assert placed.curve[-1][1] == pytest.approx(0.75)
    assert metric(placed.module.eval()) - 1.0 <= limit
    assert metric(placed.module.eval()) == pytest.approx(placed.curve[-1][2])
    assert ndrite.place(net, CHIP, x, metric, loss=100.0).digital == ()


def test_products_that_stay_digital_are_not_mapped_until_they_go_onto_tiles(net: Any, x: Any) -> None:
    tiled = ndrite.analog(net, CHIP, samples=x)
    first, second = tiled.ndrite.products.values()
    tiled.ndrite.digital = frozenset({first.name})
    with torch.no_grad():
        outputs = tiled(x)
    assert (first.on_die, second.on_die is None) == (None, False)
    tiled.ndrite.digital = frozenset()
    with torch.no_grad():
        assert not torch.equal(tiled(x), outputs)
    assert first.on_die is not None


@pytest.mark.parametrize(
    # a metric, and words of the one line that it ends in
    ("metric", "words"),
    [
        (lambda m: float("nan"), r"the metric gave nan; accepted: a finite number"),
        (lambda m: "good", r"the metric gave 'good'; accepted: a finite number"),
        (lambda m: m(torch.rand(4, 12))[:, 9], r"the metric raised IndexError: "),
        (
            lambda m: 1.0,
            r"the metric's samples never reach the matrix products 0, 2; accepted: samples that reach",
        ),
    ],
)
def test_metrics_that_give_no_number_and_samples_that_miss_a_product(
    metric: Any, words: str, net: Any, x: Any
) -> None:
    with pytest.raises(EmulatorError, match=words):
        ndrite.explain(net, chip="ideal", samples=x, metric=metric)
    with pytest.raises(EmulatorError, match=words):
        ndrite.place(net, "ideal", x, metric, loss=1.0)


def test_a_loss_that_is_none_is_refused(net: Any, x: Any) -> None:
    with pytest.raises(EmulatorError, match="loss is 0; accepted: a finite number above 0"):
        ndrite.place(net, "ideal", x, rms_error(net, x), loss=0)
