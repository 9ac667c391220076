"""Programs that are no chains, product by product on a board that holds chains only."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from boards.golden import GoldenBoard
from boards.stepped import SteppedBoard
from emulator.golden import Core
from emulator.golden.campaign import campaign
from emulator.mapping import map_network
from emulator.network import Network
from emulator.spec import PRESETS, GeometryError, Program
from emulator.spec.campaign import Campaign
from host import BoardApi, InputError, NotProgrammedError
from tests.emulator.mapping.test_graphs import NETWORKS, inputs

HOST = {
    "small": ["neurons", "pool", "neurons", "pool", "neurons"],
    "residual": ["neurons", "product (grouped)", "neurons", "pool", "pool"],
    "functions": ["table", "neurons", "neurons", "gate"],
    "recurrent": ["neurons", "neurons", "gate"],
    "codes": ["neurons", "neurons"],
}


def mapped(network: Network) -> Program:
    return map_network(network, "wan2022", inputs(network)).program


@pytest.fixture
def board() -> SteppedBoard:
    return SteppedBoard(GoldenBoard(PRESETS["64-lane"]))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("noise", [True, False])
def test_every_bit_is_the_golden_models(board: SteppedBoard, network: Network, noise: bool) -> None:
    """Inference numbers run past 32 bits on the way."""
    program, x = mapped(network), inputs(network)[:6]
    options = {"seed": 7, "first_index": (1 << 32) - 6, "noise": noise}
    board.program(program)
    y = board.infer(x, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(y, Core(program, fast=False).infer(x, **options))  # type: ignore[arg-type]
    assert y.std() > 0
    assert isinstance(board, BoardApi)
    assert [line.split(": ", 1)[1] for line in board.on_host] == HOST[network.name]
    assert board.scrub(program) == []
    assert board.counters()["inferences"] > len(x)


def test_a_product_that_does_not_fit_is_the_hosts() -> None:
    network = NETWORKS["small"]
    program, x = mapped(network), inputs(network)[:4]
    small = dataclasses.replace(PRESETS["64-lane"], name="narrow", max_inputs=16)
    with SteppedBoard(GoldenBoard(small)) as board:
        board.program(program)
        np.testing.assert_array_equal(board.infer(x, seed=1), Core(program, fast=False).infer(x, seed=1))
        assert [line for line in board.on_host if "max" in line or "24" in line] == [
            (
                "step 4: product (program 'small, product 2' does not fit geometry 'narrow': "
                "layer0.inputs is 24; at most 16)"
            )
        ]


def test_campaigns_of_any_program(board: SteppedBoard) -> None:
    network = NETWORKS["residual"]
    program = map_network(network, "wan2022", inputs(network), nominal=True).program
    x = inputs(network)[:5]
    board.program(program)
    votes = board.campaign(x, np.arange(5), Campaign(chips=3, trials=2, seed=4))
    wanted = campaign(program, x, np.arange(5), Campaign(chips=3, trials=2, seed=4))
    np.testing.assert_array_equal(votes.votes, wanted.votes)
    assert votes.votes.sum() == 5 * 3 * 2
    board.program(mapped(network))
    with pytest.raises(InputError, match="one individual chip"):
        board.campaign(x, np.arange(5), Campaign(chips=1))


def test_chains_are_the_boards_own_work(board: SteppedBoard) -> None:
    program = mapped(Network.chain(NETWORKS["small"].layers[2:], "chain"))
    board.program(program)
    assert board.on_host == ()
    x = np.zeros((3, 24), np.uint8)
    np.testing.assert_array_equal(board.infer(x, seed=2), Core(program).infer(x, seed=2))
    with pytest.raises(NotProgrammedError):
        board.scrub(mapped(NETWORKS["small"]))
    with pytest.raises(GeometryError, match="arrays of 128 rows"):
        SteppedBoard(GoldenBoard(PRESETS["tiny"])).program(program)


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
