"""Board: identity, verified programming, inference, campaigns; on a device
double, with faults."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.emulator.spec.learning_map import MAGIC_LEARNING
from ndrite.emulator.spec.memory_map import REGION_SHIFT, Section, address
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.emulator.spec.registers import BY_NAME, COUNTERS, REGISTER_MAP, WALKING_MAP
from ndrite.emulator.spec.variation import Campaign, CampaignError
from ndrite.host import BoardApi, IdentityError, InputError, LinkTimeout, NotProgrammedError, VerifyError
from ndrite.host.campaign import ABORT, IDLE_POLLS, RUN
from ndrite.host.memory import Upset, examine
from ndrite.host.packet_channel import PacketChannel
from ndrite.host.packets import Request
from ndrite.host.session import Command
from tests.host.responder import Responder, ResponderLink, faulty
from tests.random_graphs import random_graph
from tests.refusals import refused
from tests.stimulus import inferred, ran, same_cells, sparse_samples

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
    [
        {},
        {"lane_rows": 2},
        {"lane_groups": 2, "lanes": 16},
        {"lane_rows": 2, "lane_groups": 4, "lanes": 32, "step_tables": True},
    ],
)
def test_every_field_is_told(changes: dict[str, Any], program: Program) -> None:
    of = {"skip": True, "redraw": 0, "overlap": "lane_groups" in changes, "window": 8} | changes
    geometry = dataclasses.replace(PRESETS["tiny"], name="device", **of)
    board, _ = open_board(program, geometry=geometry)
    assert isinstance(board, BoardApi)
    assert (board.geometry, board.build_id, board.session.window) == (geometry, 0x1234, 8)


def test_a_board_names_its_preset_its_build_and_its_program(program: Program) -> None:
    device = Responder(PRESETS["tiny"], program)
    device.set("build_id_low", 0x89ABCDEF)
    device.set("build_id_high", 0x01234567)
    board = Board(ResponderLink(device))
    assert (board.geometry, board.build_id) == (PRESETS["tiny"], 0x0123456789ABCDEF)
    assert repr(board) == "Board(array 'tiny', build 0123456789abcdef, holds nothing)"
    board.program(program)
    assert repr(board) == "Board(array 'tiny', build 0123456789abcdef, holds 'small')"


# Attempts that are allowed, and those that are made while the device is opened.
@pytest.mark.parametrize(("attempts", "made"), [(40, 4), (1, 2)])
def test_opening_gives_up_sooner_than_an_open_board(program: Program, attempts: int, made: int) -> None:
    link = ResponderLink(Responder(PRESETS["tiny"], program))
    link.silent = True
    with pytest.raises(LinkTimeout, match=rf"does not answer \({made} attempts of 0\.01 s\)"):
        Board(link, timeout_s=0.01, attempts=attempts)
    assert link.closed
    link.silent = False
    assert Board(link, timeout_s=0.01, attempts=attempts).session.attempts == attempts


@pytest.mark.parametrize("lowest", [True, False])
def test_any_mark_but_none_tells_a_device_from_others(
    lowest: bool, program: Program, x: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is that of a device that was reset."""
    monkeypatch.setattr("ndrite.host.device.secrets.randbits", lambda bits: 0 if lowest else (1 << bits) - 1)
    board, device = open_board(program)
    assert device.get("host_mark") > 0
    ran(board, program, x[:2])


def test_closing_a_board_closes_its_link(program: Program) -> None:
    link = ResponderLink(Responder(PRESETS["tiny"], program))
    board = Board(link)
    board.close()
    assert link.closed
    link.closed = False
    with Board(link):
        assert not link.closed
    assert link.closed


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
    np.testing.assert_array_equal(board.infer(x), Core(program).infer(x, seed=0, first_index=0, noise=True))


def test_each_inference_is_told(programmed: Programmed, x: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    programmed[0].infer(x, progress=lambda *progress: seen.append(progress))
    assert seen == [(done, 12) for done in range(1, 13)]


def test_a_program_that_is_there_already_is_told_as_done(programmed: Programmed, program: Program) -> None:
    seen: list[tuple[int, int]] = []
    programmed[0].program(program, progress=lambda *progress: seen.append(progress))
    words = sum(section.words.size for section in lay_out(program, PRESETS["tiny"]))
    assert seen == [(words, words)]


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
    for section in (short, long):
        np.testing.assert_array_equal(channel.read(section.address, section.words.size), section.words)


# Bytes of a packet at most, and the words that each request for 40 words reads.
@pytest.mark.parametrize(("packet_bytes", "words"), [(64, [16, 16, 8]), (128, [32, 8])])
def test_a_read_is_of_as_many_words_as_a_packet_holds(
    program: Program, packet_bytes: int, words: list[int]
) -> None:
    board, device = open_board(
        program, geometry=dataclasses.replace(PRESETS["tiny"], packet_bytes=packet_bytes)
    )
    device.executed.clear()
    device.words |= {1000 + i: 7 * i for i in range(40)}
    np.testing.assert_array_equal(board.read_words(1000, 40), 7 * np.arange(40))
    assert [int.from_bytes(r.payload, "little") for r in device.executed] == words


def test_waits_for_answers_are_forgotten_when_memories_are_written(program: Program) -> None:
    """Another program may take longer."""
    link = ResponderLink(Responder(PRESETS["tiny"], program))
    channel = PacketChannel(link, timeout_s=5, attempts=2)
    silences, plain = list[float](), link.read
    link.read = lambda timeout_s: (silences.append(timeout_s), plain(timeout_s))[1]  # type: ignore[method-assign]
    for _ in range(2):
        channel.read(0, 1)
    assert silences[-1] < 5
    channel.write([Section("a", 64, np.arange(3))], lambda words: None)
    channel.read(0, 1)
    assert silences[-2:] == [5, 5]


class Echo:
    """Answers each sample of a packet, in place of a session, with the sum of its
    codes and its index."""

    def __init__(self, inputs: int) -> None:
        self.inputs, self.opcodes = inputs, set[Opcode]()

    def run(self, commands: Iterable[Command], answered: Callable[[int, bytes], None]) -> None:
        for i, command in enumerate(commands):
            self.opcodes.add(command.opcode)
            samples = self.samples(command)
            assert command.answer_bytes == 8 * len(samples)
            rows = [[int(codes.sum()), command.address + j] for j, codes in enumerate(samples)]
            answered(i, np.array(rows, "<i4").tobytes())

    def samples(self, command: Command) -> list[np.ndarray]:
        """Each begins with a new group of eight codes, and nothing follows the last one."""
        if command.opcode == Opcode.INFER_SPARSE:
            sparse = sparse_samples(command.payload, self.inputs)
            assert sparse is not None
            return sparse
        stride = -(-self.inputs // 8) * 8
        codes = np.frombuffer(command.payload, np.uint8)
        starts = range(0, len(codes), stride)
        assert len(codes) == starts[-1] + self.inputs
        return [codes[start : start + self.inputs] for start in starts]


@pytest.mark.parametrize("together", [1, 2, 3, 300])
@pytest.mark.parametrize("inputs", [5, 8, 13])
@pytest.mark.parametrize("narrow", [False, True])
def test_samples_that_are_walked_together_share_a_packet(together: int, inputs: int, narrow: bool) -> None:
    """Each has its own answer, also where the last packet has fewer; zeros stay at home
    as they do alone."""
    link = ResponderLink(Responder(PRESETS["tiny"]))
    link.narrow = narrow
    channel = PacketChannel(link, timeout_s=1, attempts=2)
    channel.fit(PRESETS["tiny"], (1, 2))
    channel.session = echo = Echo(inputs)  # type: ignore[assignment]
    x = np.random.default_rng(3).integers(0, 256, (601, inputs)).astype(np.uint8)
    x[200:450, 1:] = 0
    y, counts = np.zeros((len(x), 2), np.int32), list[int]()
    channel.infer(x, 1000, y, counts.append, together)
    np.testing.assert_array_equal(y, np.stack([x.sum(axis=1), 1000 + np.arange(len(x))], axis=1))
    rest = [601 % together] if 601 % together else []
    assert counts == [together] * (601 // together) + rest
    assert echo.opcodes == ({Opcode.INFER, Opcode.INFER_SPARSE} if narrow else {Opcode.INFER})


# The field ``samples`` of the header of the program's step records (None: no such
# records), and the number of samples in a packet.
@pytest.mark.parametrize(("field", "together"), [(None, 1), (0, 1), (3, 3), (0xFFFF, 0xFFFF)])
def test_as_many_samples_as_the_header_says_are_walked_together(
    program: Program, x: np.ndarray, field: int | None, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, _ = open_board(program)
    sections = [ANY]
    if field is not None:
        words = np.array([7, 7, field << 16 | 0x7777, 7], np.uint32).view(np.int32)
        sections.append(Section("steps", address("steps"), words))
    board.load(program, sections)
    given: list[int] = []
    monkeypatch.setattr(board.channel, "infer", lambda *call: given.append(call[4]))
    board.infer(x)
    assert given == [together]


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
    tried = np.tri(x.shape[1], dtype=np.uint8)  # as many zeros as one likes
    x = np.concatenate([x, np.where(np.arange(x.shape[1]) % 3, 0, x), tried])
    inferred(board, program, x, seed=4)
    sent = [r for r in device.executed if r.opcode in (Opcode.INFER, Opcode.INFER_SPARSE)]
    assert {r.opcode for r in sent} == used
    assert len(sent) == len(x)
    assert all(len(r.payload) < x.shape[1] for r in sent if r.opcode == Opcode.INFER_SPARSE)


def test_only_what_differs_is_written(programmed: Programmed, program: Program) -> None:
    """Nothing of the same program; a flipped bit is found and repaired; of another
    program its biases."""
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
    assert [r.address for r in written(device)].count(0x01000000) == 3
    assert device.get("program_tag") == 0
    with pytest.raises(NotProgrammedError):
        board.infer(x)


def test_four_sections_that_stay_wrong_are_named(program: Program) -> None:
    board, device = open_board(program)
    write = device._execute
    device._execute = lambda r: (  # type: ignore[method-assign]
        (Status.OK, b"") if r.opcode in (Opcode.WRITE, Opcode.WRITE_SHORT) else write(r)
    )
    device.words |= {(region << REGION_SHIFT) + i: 0x7777 for region in range(1, 8) for i in range(600)}
    with pytest.raises(VerifyError, match=r"sections .* after 3 rounds: ([^,;]+, ){3}[^,;]+; check"):
        board.program(program)


def test_a_program_that_did_not_arrive_leaves_none(program: Program, x: np.ndarray) -> None:
    """Whatever was there before."""
    link = ResponderLink(Responder(PRESETS["tiny"], program))
    board = Board(link, timeout_s=0.01, attempts=1)
    board.program(program)
    link.silent = True
    with pytest.raises(LinkTimeout):
        board.program(changed(program))
    link.silent = False
    with pytest.raises(NotProgrammedError):
        board.infer(x)


# Changed words of a section of ten from address 64 on: place -> bits, and what is told
# of them: words, bits, address, expected and read value.
@pytest.mark.parametrize(
    ("changes", "upset"),
    [
        ({2: 0b101, 7: 0b1}, (2, 3, 66, 20, 20 ^ 0b101)),
        ({9: -1 << 31}, (1, 1, 73, 90, 90 - (1 << 31))),
        ({}, (0, 0, 64, 0, 0)),
    ],
)
def test_changed_words_are_told_by_the_first(changes: dict[int, int], upset: tuple[int, ...]) -> None:
    section = Section("weights", 64, np.arange(0, 100, 10, dtype=np.int32))
    words = section.words.copy()
    for place, bits in changes.items():
        words[place] ^= bits

    def read(first: int, count: int) -> np.ndarray:
        assert (first, count) == (64, 10)
        return words

    assert examine(section, read) == Upset("weights", *upset)


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
    for value in (-1, 1 << 32):
        with pytest.raises(InputError, match="accepted: 0"):
            board.write_register("scratch", value)
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
    """A device whose campaigns vote for class 0 and count, for each chip, its own
    number as correct.

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


def test_a_campaign_has_the_samples_and_the_noise_of_its_plan(varied: Program, x: np.ndarray) -> None:
    board, device = opened(varied)
    board.campaign(x, np.arange(12) % 3, Campaign(chips=2, seed=3 << 32 | 7, noise=False))
    assert (device.get("seed_low"), device.get("seed_high"), device.get("noise_enable")) == (7, 3, 0)
    codes = [device.words[address("campaign_inputs", i)] for i in range(60)]
    np.testing.assert_array_equal(np.array(codes, "<u4").view(np.uint8).reshape(12, 20), x)
    assert [device.words[address("labels", i)] for i in range(12)] == [*range(3)] * 4


GRAPH = random_graph(PRESETS["tiny"], np.random.default_rng(0), states=1)
ANY = Section("weights", address("weights"), np.arange(5, dtype=np.int32))


# What is wrong with a campaign, by its board and its device, and what is said of it.
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda board, device: device.set("program_tag", 99), "no longer holds program 'small'"),
        (lambda board, device: board.load(GRAPH, [ANY]), "is not a chain of full layers"),
        (lambda board, device: board.program(device.program), "was compiled for one individual chip"),
        (None, r"samples is uint8 \(3, 19\)"),
    ],
)
def test_a_campaign_that_cannot_be_is_not_begun(
    program: Program, varied: Program, wrong: Any, said: str
) -> None:
    board, device = opened(varied)
    device.program = program
    x, labels = inputs(3)
    if wrong is None:
        x = x[:, :19]
    else:
        wrong(board, device)
    with pytest.raises((InputError, CampaignError, NotProgrammedError), match=said):
        board.campaign(x, labels, Campaign(chips=2))
    assert not device.pieces


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
