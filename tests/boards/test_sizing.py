"""Simulated boards as large as their images: which geometry is taken, and
when a board grows."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.boards.sim import SizedBoard
from ndrite.boards.sim.sizing import USUAL, WALKS, sized
from ndrite.boards.stepped import SteppedBoard
from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import Network
from ndrite.emulator.network.nodes import Product
from ndrite.emulator.spec import Geometry, GeometryError, Program
from ndrite.emulator.spec.patches import Patches
from ndrite.host import LinkError
from ndrite.host.packet_channel import PacketChannel
from ndrite.networks import shipped_program
from tests.emulator.mapping.test_graphs import convolution, dense
from tests.host.responder import Responder, ResponderLink
from tests.random_graphs import random_walk
from tests.stimulus import inferred, random_inputs

BEYOND = dataclasses.replace(
    USUAL, weight_depth=65536, max_inputs=4096, max_outputs=1024, columns=16384, packet_bytes=4096
)


def program_of(*sizes: int, geometry: Geometry = BEYOND) -> Program:
    rng = np.random.default_rng(sizes)
    return random_program(geometry, rng, sizes=sizes, readout="adc", dac_bits=8, noise=False)


def curves(program: Program) -> dict[str, Any]:
    return {"curve_base": program.curve_base, "curve_slope": program.curve_slope}


def test_what_fits_the_usual_array_gets_it() -> None:
    assert sized(shipped_program()) is USUAL
    assert sized(program_of(1024, 128, geometry=USUAL)) is USUAL


@pytest.mark.parametrize(
    ("sizes", "larger"),
    [
        ((784, 300, 100, 10), {"weight_depth": 8192, "columns": 512}),
        ((784, 256, 128, 10), {"weight_depth": 4096}),
        ((1025, 10), {"max_inputs": 2048, "packet_bytes": 2048}),
        ((10, 300), {"max_outputs": 512, "columns": 512, "packet_bytes": 2048}),
        ((10, 400, 200, 10), {"weight_depth": 2048, "columns": 1024}),
        ((20,) * 10, {"layers": 16}),
    ],
    ids=str,
)
def test_every_memory_grows_to_the_next_power_of_two(sizes: tuple[int, ...], larger: dict[str, int]) -> None:
    geometry = sized(program_of(*sizes))
    check_fits(program_of(*sizes), geometry)
    assert geometry.hardware_fields() == dataclasses.replace(USUAL, **larger).hardware_fields()


def test_other_tiles_and_tables_are_other_geometries() -> None:
    wide = dataclasses.replace(BEYOND, rows=64, segments=128, curves=1)
    geometry = sized(program_of(100, 20, 5, geometry=wide))
    assert (geometry.rows, geometry.segments, geometry.curves) == (64, 128, USUAL.curves)


def test_what_no_memory_can_hold_is_refused() -> None:
    layer = program_of(4096, 64).layers[0]
    wide = dataclasses.replace(layer, weights=np.ones((4097, 64), np.int16))
    with pytest.raises(GeometryError, match=r"'random' is too large to be simulated: .* max_inputs is 8192"):
        sized(Program.chain(layers=[wide], name="random", rows=128, **curves(program_of(4096, 64))))


def test_a_chain_larger_than_any_runs_in_segments() -> None:
    """Layers of 32,768, 32,768 and 4,096 words, of 65,536; nothing is powered on
    to find that out."""

    def power_on(_: Geometry) -> PacketChannel:
        raise AssertionError("powered on")

    layers = [program_of(*sizes).layers[0] for sizes in ((4096, 512), (512, 4096), (4096, 64))]
    layers = [dataclasses.replace(layer, curve=np.zeros_like(layer.curve)) for layer in layers]
    program = Program.chain(layers=layers, name="large", rows=128, **curves(program_of(4096, 64)))
    board = SteppedBoard(SizedBoard(power_on))
    board.program(program)
    assert (board.segments, board.on_host) == (2, ())
    assert board.campaigns_on_host


def test_a_program_that_is_no_chain_gets_feature_maps() -> None:
    """Also after a chain that needed a larger array; a chain goes on on what it finds."""
    rng = np.random.default_rng(2)
    program = random_walk(dataclasses.replace(WALKS, rows=USUAL.rows), rng, side=12)
    geometry = sized(program)
    check_fits(program, geometry)
    assert (geometry.map_codes, geometry.overlap) == (WALKS.map_codes, True)
    large = sized(program_of(784, 300, 100, 10))
    assert sized(program, large).weight_depth == large.weight_depth == 8192
    assert sized(program_of(20, 5), geometry) == geometry


def test_a_map_of_sums_is_cut() -> None:
    """A fully convolutional network ends with sums at many positions, which no walk gives."""
    rng = np.random.default_rng(4)
    patches = Patches(shape=(3, 4, 4), kernel=(3, 3))
    last = Product(dense(rng, 27, 4, last=True), (1,), patches)
    network = Network((convolution(rng, 0, (2, 4, 4), 3), last), (2, 4, 4))
    x = rng.integers(0, 256, (40, network.inputs)).astype(np.uint8)
    program = map_network(network, "ideal", x).program
    with pytest.raises(GeometryError, match="sums at 4 positions"):
        sized(program)
    board = SteppedBoard(SizedBoard(lambda geometry: pytest.fail("powered on")))
    board.program(program)
    assert board.segments == 2


def test_a_card_has_no_feature_maps() -> None:
    program = random_walk(WALKS, np.random.default_rng(2))
    card = SizedBoard(lambda geometry: pytest.fail("powered on"), maps=False)
    with pytest.raises(GeometryError, match=r"it is not a chain of full layers; accepted .*: chains"):
        card.abilities.check(program)


class Devices(list[tuple[Responder, ResponderLink]]):
    """Every device that was powered on, and its link; there are ``most``."""

    most = 9

    def power_on(self, geometry: Geometry) -> ResponderLink:
        if len(self) == self.most:
            raise LinkError("no compiler")
        device = Responder(geometry)
        self.append((device, ResponderLink(device)))
        return self[-1][1]


@pytest.fixture
def devices() -> Devices:
    return Devices()


@pytest.fixture
def board(devices: Devices) -> SizedBoard:
    return SizedBoard.of_links(devices.power_on)


@pytest.mark.long
def test_a_board_grows_and_never_shrinks(board: SizedBoard, devices: Devices) -> None:
    assert board.device.geometry == USUAL
    small, large = program_of(20, 3), program_of(30, 300)
    x = {i.inputs: random_inputs(i, np.random.default_rng(0), 3) for i in (small, large)}
    for program in (small, large, small):
        board.program(program)
        devices[-1][0].program = program
        inferred(board.device, program, x[program.inputs])
    assert [device.get("geometry_max_outputs") for device, _ in devices] == [256, 512]
    assert [link.closed for _, link in devices] == [True, False]
    board.close()
    assert devices[-1][1].closed


def test_nothing_is_powered_on_before_it_is_needed(board: SizedBoard, devices: Devices) -> None:
    board.close()
    assert devices == []
    board.program(program_of(30, 300))
    assert [device.get("geometry_max_outputs") for device, _ in devices] == [512]
    with pytest.raises(AttributeError, match="no attribute"):
        board._nonsense  # noqa: B018


def test_a_larger_board_that_cannot_be_built_leaves_the_old_one(board: SizedBoard, devices: Devices) -> None:
    devices.most = 1
    board.program(program_of(20, 3))
    with pytest.raises(LinkError, match="no compiler"):
        board.program(program_of(30, 300))
    assert not devices[0][1].closed
    assert board.device.geometry == USUAL
