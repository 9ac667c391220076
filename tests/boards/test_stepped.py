"""Programs of any kind on boards that hold a part of them at a time."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

from ndrite.boards.golden import GoldenBoard
from ndrite.boards.segmented import Segmented
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.backend.lay_out import check_fits, lay_out
from ndrite.emulator.backend.segments import cut
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Network
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.emulator.spec.variation import Campaign
from ndrite.host import BoardApi, InputError, NotProgrammedError
from ndrite.host.api import Progress
from tests.emulator.backend.test_segments import full, vectors
from tests.emulator.backend.test_walk import MAPS
from tests.emulator.mapping.test_graphs import NETWORKS, inputs
from tests.random_graphs import random_graph
from tests.stimulus import inferred, ran, random_inputs, voted

HOST = {
    "small": ["neurons", "pool", "neurons", "pool"],
    "residual": ["neurons", "product", "second operand, neurons", "pool", "pool"],
    "functions": ["table", "neurons", "neurons", "gate"],
    "recurrent": ["neurons", "neurons", "gate"],
    "codes": ["neurons"],
    "separable": ["neurons", "product", "neurons", "pool"],
    "joined": ["neurons", "product", "neurons"],
    "enlarged": ["neurons", "pool"],
}


def mapped(network: Network, **options: Any) -> Program:
    return map_network(network, "wan2022", inputs(network), options=MapOptions(**options)).program


@pytest.fixture
def board() -> SteppedBoard:
    return SteppedBoard(GoldenBoard(PRESETS["64-lane"]))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("noise", [True, False])
def test_every_bit_is_the_golden_models(board: SteppedBoard, network: Network, noise: bool) -> None:
    """Inference numbers run past 32 bits on the way."""
    program, x = mapped(network), inputs(network)[:6]
    options = {"seed": 7, "first_index": (1 << 32) - 6, "noise": noise}
    assert ran(board, program, x, **options).std() > 0
    assert isinstance(board, BoardApi)
    assert [line.split(": ")[1].split(" (")[0] for line in board.on_host] == HOST[network.name]
    assert board.scrub(program) == []
    assert board.counters()["inferences"] >= len(x)


@pytest.mark.parametrize(
    ("trials", "pieces_min"),
    [
        (range(12), 25),
        *(pytest.param(range(first, first + 50), 100, marks=pytest.mark.long) for first in range(0, 200, 50)),
    ],
    ids=lambda value: f"{value.start}..{value.stop - 1}" if isinstance(value, range) else "",
)
def test_random_programs_in_segments_are_the_golden_model(
    trials: range, pieces_min: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches of two, with maps and without; inference numbers run past 32 bits."""
    monkeypatch.setattr(Segmented, "batch", property(lambda _: 2))
    pieces = 0
    for trial in trials:
        rng = np.random.default_rng(trial)
        program = random_graph(MAPS, rng, side=5, steps=int(rng.integers(4, 8)), corner=trial % 4 == 3)
        small = dataclasses.replace(
            MAPS, weight_depth=int(rng.choice([64, 128, 256])), layers=int(rng.choice([4, 32]))
        )
        if trial % 4 == 2:
            small = dataclasses.replace(small, map_codes=0, overlap=False)
        x = random_inputs(program, rng, 3)
        options = {"seed": trial, "first_index": (1 << 32) - 3 - trial}
        with SteppedBoard(GoldenBoard(small)) as board:
            ran(board, program, x, **options)
            pieces += board.segments
    assert pieces > pieces_min


def deep(layers: int, geometry: Geometry = PRESETS["tiny"]) -> Program:
    """A chain of layers of 16 x 16 with read noise; ``tiny`` holds four of them."""
    rng = np.random.default_rng(3)
    base = random_program(geometry, rng, sizes=[16, 16, 16], noise=True)
    made = [random_program(geometry, rng, sizes=[16, 16], noise=True).layers[0] for _ in range(layers)]
    made = [dataclasses.replace(layer, curve=layer.curve % len(base.curve_base)) for layer in made]
    rest = {"rows": geometry.rows, "curve_base": base.curve_base, "curve_slope": base.curve_slope}
    return Program.chain(name="deep", layers=made, **rest)


class Watched(GoldenBoard):
    """Keeps the names of what was put on it."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(geometry)
        self.put: list[str] = []

    def program(self, program: Program, *, progress: Progress | None = None) -> None:
        self.put.append(program.name)
        super().program(program, progress=progress)


def test_a_batch_goes_through_a_segment_before_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten layers in three segments; of nine samples eight are held at a time: 16 codes
    in and of two cuts."""
    monkeypatch.setattr("ndrite.boards.segmented.HELD_CODES", 8 * 64)
    program, inner = deep(10), Watched(PRESETS["tiny"])
    board = SteppedBoard(inner)
    board.program(program)
    assert inner.put == []
    assert (board.segments, board.swapped_words) == (3, 0)
    x = random_inputs(program, np.random.default_rng(0), 9)
    done: list[tuple[int, int]] = []
    y = board.infer(x, seed=5, first_index=7, progress=lambda *p: done.append(p))
    np.testing.assert_array_equal(y, Core(program, fast=False).infer(x, seed=5, first_index=7))
    assert len(np.unique(y, axis=0)) > 4
    assert len(inner.put) == 6
    assert inner.put[:3] == inner.put[3:]
    assert len(set(inner.put)) == 3
    assert done == [(2, 9), (5, 9), (8, 9), (8, 9), (8, 9), (9, 9)]
    # All words of three segments; the curves stay, and so does what happens to be equal.
    once = sum(s.words.size for g in pieces_of(program) for s in lay_out(g, PRESETS["tiny"]))
    assert once / 2 < board.swapped_words < 2 * once
    swapped = board.swapped_words
    board.infer(x[:1])
    assert board.swapped_words > swapped
    assert board.scrub(program) == []


def test_a_second_operand_of_a_segment_is_added_once() -> None:
    """64 words of a lane hold the first three layers, but not what would give their codes."""
    skip = {"skip": 1, "skip_gain": np.full(8, 9000, np.uint16), "skip_shift": 0}
    steps = (full(48, 8, 0), full(8, 8, 1), full(8, 8, 2, **skip))
    program = vectors(48, *steps, full(32, 16, 3, 3, 3, 3, fires=False))
    board = SteppedBoard(GoldenBoard(dataclasses.replace(MAPS, weight_depth=64)))
    board.program(program)
    assert (board.segments, board.on_host) == (2, ("step 2: neurons",))
    x = random_inputs(program, np.random.default_rng(0), 30)
    expected = inferred(board, program, x, seed=2)
    without = dataclasses.replace(program, steps=(*program.steps[:2], full(8, 8, 2), *program.steps[3:]))
    assert (Core(without, fast=False).infer(x, seed=2) != expected).any(), "the second operand does nothing"


def pieces_of(program: Program) -> list[Program]:
    segments = cut(program, partial(check_fits, geometry=PRESETS["tiny"]))
    return [segment.piece for segment in segments if segment.piece is not None]


def test_virtual_chips_of_a_chain_that_does_not_fit_run_here() -> None:
    program = deep(9)
    board = SteppedBoard(Watched(PRESETS["tiny"]))
    board.program(program)
    assert board.campaigns_on_host
    board.program(deep(3))
    assert not board.campaigns_on_host
    assert (board.segments, board.swapped_words, board.on_host) == (1, 0, ())


def test_a_campaign_programs_nothing_and_what_is_asked_next_does() -> None:
    network = NETWORKS["residual"]
    program = mapped(network, nominal=True)
    geometry = dataclasses.replace(
        PRESETS["64-lane"], overlap=True, map_codes=4096, layers=32, columns=1024, name="maps"
    )
    x = inputs(network)[:5]
    for ask in (lambda b: b.infer(x), lambda b: b.scrub(program), lambda b: b.counters()):
        inner = Watched(geometry)
        board = SteppedBoard(inner)
        board.program(program)
        assert (board.segments, board.on_host) == (1, ())
        board.campaign(x, np.arange(5), Campaign(chips=1, trials=1))
        with pytest.raises(NotProgrammedError, match="does not hold program"):
            board.scrub(deep(2))
        assert inner.put == []
        for _ in range(2):
            ask(board)
        assert inner.put == [program.name]
    inferred(board, program, x)


def test_a_product_that_does_not_fit_is_the_hosts() -> None:
    network = NETWORKS["small"]
    program, x = mapped(network), inputs(network)[:4]
    small = dataclasses.replace(PRESETS["64-lane"], name="narrow", max_inputs=16)
    with SteppedBoard(GoldenBoard(small)) as board:
        ran(board, program, x, seed=1)
        assert [line for line in board.on_host if "max" in line or "24" in line] == [
            (
                "step 4: product (program 'small, product 2' does not fit geometry 'narrow': "
                "layer0.inputs is 24; at most 16)"
            )
        ]


def test_campaigns_of_any_program(board: SteppedBoard) -> None:
    network = NETWORKS["residual"]
    program = mapped(network, nominal=True)
    x = inputs(network)[:5]
    board.program(program)
    votes = voted(board, program, x, np.arange(5), Campaign(chips=3, trials=2, seed=4))
    assert votes.sum() == 5 * 3 * 2
    board.program(mapped(network))
    with pytest.raises(InputError, match="one individual chip"):
        board.campaign(x, np.arange(5), Campaign(chips=1))


def test_after_a_program_that_is_refused_the_one_before_is_still_there(board: SteppedBoard) -> None:
    """All of it, not only the segment that is on the array."""
    program, x = mapped(NETWORKS["small"]), inputs(NETWORKS["small"])[:4]
    ran(board, program, x, seed=1)
    with pytest.raises(GeometryError, match="16 rows"):
        board.program(deep(2))
    inferred(board, program, x, seed=1)


def test_threads_take_turns(board: SteppedBoard) -> None:
    """Each has its own seed, and a batch goes through both segments before
    the next one begins."""
    program, x = mapped(NETWORKS["small"]), inputs(NETWORKS["small"])[:4]
    wanted = [ran(board, program, x, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda seed: board.infer(x, seed=seed % 4), range(32)))
    for seed, y in enumerate(found):
        np.testing.assert_array_equal(y, wanted[seed % 4])


def test_bad_inputs_and_nothing_programmed(board: SteppedBoard) -> None:
    with pytest.raises(NotProgrammedError):
        board.infer(np.zeros((1, 100), np.uint8))
    board.program(mapped(NETWORKS["small"]))
    with pytest.raises(InputError, match=r"accepted: \(n, 100\)"):
        board.infer(np.zeros((1, 99), np.uint8))
    with pytest.raises(NotProgrammedError, match="does not hold program"):
        board.scrub(mapped(NETWORKS["residual"]))
    with pytest.raises(AttributeError, match="_nonsense"):
        board._nonsense  # noqa: B018
