"""Board: identity, verified programming, inference, campaigns; on a device double, with faults."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.emulator.spec.learning_map import MAGIC_LEARNING
from ndrite.emulator.spec.memory_map import REGION_SHIFT, Section, address
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME, COUNTERS, REGISTER_MAP, WALKING_MAP
from ndrite.emulator.spec.variation import Campaign
from ndrite.host import BoardApi, IdentityError, InputError, NotProgrammedError, VerifyError
from ndrite.host.campaign import ABORT, IDLE_POLLS, RUN
from ndrite.host.packet_channel import PacketChannel
from ndrite.host.packets import Request
from tests.host.responder import Responder, ResponderLink, faulty
from tests.refusals import refused
from tests.stimulus import inferred, ran, same_cells

Programmed = tuple[Board, Responder]


def open_board(
    program: Program, rate: float = 0.0, seed: int = 0, geometry: Geometry = PRESETS["tiny"]
) -> tuple[Board, Responder]:
    device = Responder(geometry, program)
    return Board(faulty(ResponderLink(device), rate, seed), timeout_s=0.01, attempts=40), device


@pytest.fixture
def programmed(program: Program) -> Programmed:
    """A board that holds the program, and its device, which has forgotten how it came there."""
    board, device = open_board(program)
    board.program(program)
    device.executed.clear()
    return board, device


def written(device: Responder) -> list[Request]:
    """Writes that a device carried out."""
    return [r for r in device.executed if r.opcode in (Opcode.WRITE, Opcode.WRITE_SHORT)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"lane_rows": 2}, {"lane_rows": 2, "lane_groups": 4, "lanes": 32, "step_tables": True}],
)
def test_every_field_is_told(changes: dict[str, Any], program: Program) -> None:
    of = {"skip": True, "redraw": 0, "overlap": "lane_groups" in changes, "window": 8} | changes
    geometry = dataclasses.replace(PRESETS["tiny"], name="device", **of)
    board, _ = open_board(program, geometry=geometry)
    assert isinstance(board, BoardApi)
    assert (board.geometry, board.build_id, board.session.window) == (geometry, 0x1234, 8)


WALKS = {"overlap": True, "redraw": 0, "map_codes": 1024}


@pytest.mark.parametrize(
    ("fields", "register", "value", "message"),
    [
        ({}, "magic", 0, "not an ndrite device"),
        ({}, "magic", MAGIC_LEARNING, "not an ndrite device that infers: it learns"),
        ({}, "protocol", 2 << 16, "protocol 2.0, this host 1.2: rebuild the host"),
        ({}, "protocol", 0, "protocol 0.0, this host 1.2: rebuild the gateware"),
        ({}, "register_map", 1, "rebuild the gateware"),
        ({}, "register_map", WALKING_MAP, "rebuild the gateware"),
        (
            WALKS,
            "register_map",
            REGISTER_MAP,
            f"{REGISTER_MAP:#010x}, this host {WALKING_MAP:#010x}: rebuild",
        ),
        ({}, "geometry_rows", 7, "impossible geometry"),
    ],
)
def test_a_foreign_device_is_refused(
    program: Program, fields: dict[str, Any], register: str, value: int, message: str
) -> None:
    """A device that walks has records of its own."""
    geometry = dataclasses.replace(PRESETS["tiny"], **fields)
    device = Responder(geometry, program)
    assert Board(ResponderLink(device)).geometry.map_codes == geometry.map_codes
    device.set(register, value)
    link = ResponderLink(device)
    with pytest.raises(IdentityError, match=message):
        Board(link)
    assert link.closed


def test_infer_equals_golden(program: Program, x: np.ndarray) -> None:
    board, _ = open_board(program)
    seen: list[tuple[int, int]] = []
    board.program(program, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    for noise in (True, False):
        y = inferred(board, program, x, seed=1 << 40 | 5, first_index=77, noise=noise)
        assert y.dtype == np.int32
    assert board.infer(x[:0]).shape == (0, 3)


def test_every_written_word_is_counted_once(program: Program) -> None:
    """In sections of two and of four bytes a word, each in several packets."""
    channel, counts = (
        PacketChannel(ResponderLink(Responder(PRESETS["tiny"], program)), timeout_s=1, attempts=2),
        [],
    )
    short, long = Section("a", 64, np.arange(100)), Section("b", 256, np.arange(70) << 20)
    assert (short.short, long.short) == (True, False)
    channel.write([short, long], counts.append)
    assert counts == [32, 32, 32, 4, 16, 16, 16, 16, 6]


@pytest.mark.parametrize(
    ("narrow", "protocol", "used"),
    [
        (True, (1, 2), {Opcode.INFER, Opcode.INFER_SPARSE}),
        (True, (1, 1), {Opcode.INFER}),
        (False, (1, 2), {Opcode.INFER}),
    ],
)
def test_zeros_stay_at_home_where_that_is_shorter(
    program: Program, x: np.ndarray, narrow: bool, protocol: tuple[int, int], used: set[Opcode]
) -> None:
    device = Responder(PRESETS["tiny"], program)
    device.set("protocol", protocol[0] << 16 | protocol[1])
    link = ResponderLink(device)
    link.narrow = narrow
    board = Board(link)
    board.program(program)
    x = np.concatenate([x, np.where(np.arange(x.shape[1]) % 3, 0, x)])
    inferred(board, program, x, seed=4)
    sent = [r for r in device.executed if r.opcode in (Opcode.INFER, Opcode.INFER_SPARSE)]
    assert {r.opcode for r in sent} == used
    assert len(sent) == len(x)
    assert all(len(r.payload) < x.shape[1] for r in sent if r.opcode == Opcode.INFER_SPARSE)


def test_only_what_differs_is_written(programmed: Programmed, program: Program) -> None:
    """Nothing of the same program; a flipped bit is found and repaired; of another program its biases."""
    board, device = programmed
    before = device.words.copy()
    board.program(program)
    assert not written(device)
    device.words[0x01000003] ^= 4
    board.program(program)
    assert device.words == before
    assert {r.address >> 24 for r in written(device)} == {0, 1}
    device.executed.clear()
    board.program(changed(program))
    assert {r.address >> 24 for r in written(device)} == {0, 3}
    assert device.get("program_tag") == changed(program).tag


def test_an_empty_chip_is_written_without_a_comparison_before(program: Program) -> None:
    board, device = open_board(program)
    board.program(program)
    opcodes = [r.opcode for r in device.executed if r.address >> REGION_SHIFT]
    assert opcodes[0] != Opcode.CHECK


def test_a_stuck_word_fails_verification_and_the_chip_stays_unprogrammed(
    program: Program, x: np.ndarray
) -> None:
    board, device = open_board(program)

    class Stuck(dict):  # type: ignore[type-arg]
        def __setitem__(self, key: int, value: int) -> None:
            super().__setitem__(key, 0x7F if key == 0x01000003 else value)

    device.words = Stuck(device.words)
    with pytest.raises(VerifyError, match="weights of lane 0"):
        board.program(program)
    assert device.get("program_tag") == 0
    with pytest.raises(NotProgrammedError):
        board.infer(x)


def test_interrupted_programming_is_refused_then_repaired(program: Program, x: np.ndarray) -> None:
    board, device = open_board(program)

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        board.program(program, progress=interrupt)
    assert device.get("program_tag") == 0
    with pytest.raises(NotProgrammedError):
        board.infer(x)
    ran(board, program, x)


def test_a_chip_programmed_by_someone_else_is_refused(programmed: Programmed, x: np.ndarray) -> None:
    board, device = programmed
    device.set("program_tag", 99)
    with pytest.raises(NotProgrammedError, match="no longer holds program 'small'"):
        board.infer(x)


def test_a_reset_during_inference_is_refused(programmed: Programmed, x: np.ndarray) -> None:
    board, device = programmed

    def reset(done: int, total: int) -> None:
        if done == 3:
            device.set("program_tag", 0)
            device.expected = 0

    with pytest.raises(NotProgrammedError, match="lost its program"):
        board.infer(x, progress=reset)


GOOD = np.zeros((2, 20), np.uint8)
test_wrong_inputs_are_named = refused(
    InputError,
    (lambda of: of[0].infer(GOOD.astype(np.float32)), "dtype float32; accepted: uint8"),
    (lambda of: of[0].infer(np.zeros((2, 21), np.uint8)), r"shape \(2, 21\); accepted: \(n, 20\)"),
    (lambda of: of[0].infer(GOOD[0]), r"shape \(20,\)"),
    (lambda of: of[0].infer([[0] * 20]), "a list; accepted: a NumPy array"),
    (lambda of: of[0].infer(GOOD, seed=-1), "seed is -1"),
    (lambda of: of[0].infer(GOOD, noise="no"), "noise is 'no'; accepted: True or False"),
    (lambda of: of[0].infer(GOOD, seed=1 << 64), "seed is"),
    (lambda of: of[0].infer(GOOD, first_index=(1 << 32) - 1), "first_index is"),
    given="programmed",
)


def test_a_program_that_does_not_fit_leaves_the_chip_alone(
    programmed: Programmed, program: Program, x: np.ndarray
) -> None:
    board, _ = programmed
    with pytest.raises(GeometryError, match="arrays of 32 rows"):
        board.program(dataclasses.replace(program, rows=32))
    board.infer(x)


def test_registers(program: Program) -> None:
    board, _ = open_board(program)
    board.write_register("scratch", 0xFFFFFFFF)
    assert board.read_register("scratch") == 0xFFFFFFFF
    with pytest.raises(InputError, match="read-only"):
        board.write_register("magic", 1)
    with pytest.raises(InputError, match="accepted: 0"):
        board.write_register("scratch", -1)
    assert set(board.counters()) >= {"inferences", "inference_cycles", "errors_crc"}


def test_every_counter_is_read_unsigned_and_cleared_by_one_word(program: Program) -> None:
    board, device = open_board(program)
    values = {name: (1 << 31) + number for number, name in enumerate(COUNTERS)}
    for name, value in values.items():
        device.set(name, value)
    assert board.counters() == values
    board.clear_counters()
    assert device.get("counter_clear") == 1


def test_a_board_waits_by_the_clock_of_its_link(
    programmed: Programmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(ResponderLink, "wait", lambda link, seconds: waits.append(seconds))
    programmed[0].wait(0.25)
    assert waits == [0.25]


def changed(program: Program) -> Program:
    bias = program.layers[0].bias + np.int32(1)
    return program.with_layers((dataclasses.replace(program.layers[0], bias=bias), program.layers[1]))


@pytest.mark.parametrize("work", ["program", "scrub", "write words"])
def test_the_tag_is_taken_away_before_a_memory_is_written(
    programmed: Programmed, program: Program, work: str
) -> None:
    board, device = programmed
    tags: list[int] = []

    class Watched(dict):  # type: ignore[type-arg]
        def __setitem__(self, key: int, value: int) -> None:
            if key >> REGION_SHIFT:
                tags.append(self[BY_NAME["program_tag"].address])
            super().__setitem__(key, value)

    upset = {0x01000003: device.words[0x01000003] ^ 4} if work == "scrub" else {}
    device.words = Watched(device.words | upset)
    if work == "program":
        board.program(changed(program))
    elif work == "scrub":
        assert [upset.bits for upset in board.scrub(program)] == [1]
    else:
        board.write_words(0x01000000, np.zeros(3, np.int32))
    assert set(tags) == {0}
    after = {"program": changed(program).tag, "scrub": program.tag, "write words": 0}
    assert device.get("program_tag") == after[work]


CONTROL = BY_NAME["campaign_control"].address
STATUS = BY_NAME["campaign_busy"].address


class Campaigner(Responder):
    """A device whose campaigns vote for class 0 and count, for each chip, its own number as correct.

    ``looks``: how often it is found at work before it is done, an inference further each time.
    """

    def __init__(self, program: Program, looks: int = 0) -> None:
        super().__init__(PRESETS["tiny"], program)
        self.looks = looks
        self.pieces: list[tuple[int, int, int, int]] = []
        self.after = lambda: None

    def _execute(self, r: Request) -> tuple[Status, bytes]:
        if r.opcode == Opcode.READ and r.address == STATUS and self.get("campaign_busy"):
            self.looks -= 1
            self.set("inferences", self.get("inferences") + 1)
            if self.looks < 0:
                self.set("campaign_busy", 0)
                self.set("campaign_chips_done", self.get("campaign_chips"))
        status = super()._execute(r)
        if r.opcode == Opcode.WRITE and r.address == CONTROL:
            self._control(int.from_bytes(r.payload, "little"))
        return status

    def _control(self, order: int) -> None:
        if order == ABORT:
            self.set("campaign_busy", 0)
            return
        assert order == RUN
        names = ("campaign_first_chip", "campaign_chips", "campaign_samples", "campaign_first_index")
        first, chips, images, index = (self.get(name) for name in names)
        self.pieces.append((first, chips, images, index))
        assert self.program is not None
        for i in range(images):
            for j in range(self.program.outputs):
                votes = chips * self.get("campaign_trials") if j == 0 else 0
                self.words[address("votes", i * self.program.outputs + j)] = votes
        for i in range(chips):
            self.words[address("correct", i)] = first + i
        self.set("campaign_busy", 1)
        self.set("campaign_chips_done", 0)
        self.after()


@pytest.fixture(scope="session")
def varied(program: Program) -> Program:
    """The small program compiled for virtual chips."""
    return dataclasses.replace(program, variation=same_cells())


def opened(varied: Program, looks: int = 0) -> tuple[Board, Campaigner]:
    device = Campaigner(varied, looks)
    board = Board(ResponderLink(device), timeout_s=0.01)
    board.program(varied)
    return board, device


def inputs(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, 20), np.uint8), np.zeros(count, np.int64)


def test_every_piece_begins_where_the_one_before_ended(varied: Program) -> None:
    board, device = opened(varied)
    # The tiny geometry's buffer holds 32 labels; a command runs 256 chips.
    result = board.campaign(*inputs(40), Campaign(chips=300, first_chip=7, first_sample=5))
    assert device.pieces == [(7, 256, 32, 5), (263, 44, 32, 5), (7, 256, 8, 37), (263, 44, 8, 37)]
    np.testing.assert_array_equal(result.correct, 2 * np.arange(7, 307))
    np.testing.assert_array_equal(result.votes, [[300, 0, 0]] * 40)


def test_a_campaign_that_goes_on_is_waited_for(varied: Program) -> None:
    board, _ = opened(varied, looks=2 * IDLE_POLLS)
    board.campaign(*inputs(3), Campaign(chips=2))


@pytest.mark.parametrize(
    ("after", "error", "said"),
    [
        (lambda device: device.set("program_tag", 0), NotProgrammedError, "no longer holds"),
        (lambda device: device.words.update({address("votes"): 1}), VerifyError, "the device counted"),
    ],
    ids=["a program lost meanwhile", "votes missing"],
)
def test_what_went_wrong_during_a_campaign_is_noticed(
    varied: Program, after: Any, error: Any, said: str
) -> None:
    board, device = opened(varied)
    device.after = lambda: after(device)
    with pytest.raises(error, match=said):
        board.campaign(*inputs(3), Campaign(chips=2))


@pytest.mark.parametrize("work", ["scrub", "program"])
def test_a_campaign_left_running_is_stopped_first(varied: Program, work: str) -> None:
    board, device = opened(varied)
    device.set("campaign_busy", 1)
    device.looks = 10
    device.executed.clear()
    getattr(board, work)(varied)
    orders = [r for r in device.executed if r.address == CONTROL and r.opcode == Opcode.WRITE]
    assert [int.from_bytes(r.payload, "little") for r in orders] == [ABORT]
    checks = [i for i, r in enumerate(device.executed) if r.opcode == Opcode.CHECK]
    assert device.executed.index(orders[0]) < min(checks)
