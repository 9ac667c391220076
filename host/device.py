"""Device: the gateware on a board, over any link."""

import secrets
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.memory_map import Section, address
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.registers import BY_NAME, COUNTERS, MAGIC
from ndrite.emulator.spec.variation import Campaign, CampaignResult
from ndrite.emulator.spec.walk_record import HEADER
from ndrite.host.api import Progress, told
from ndrite.host.campaign import run_campaign, stop_campaign
from ndrite.host.errors import DeviceError, InputError, NotProgrammedError, VerifyError
from ndrite.host.identity import REGISTER_MAPS, read_identity
from ndrite.host.inputs import check_inputs, check_variation
from ndrite.host.links import Link
from ndrite.host.memory import Upset, examine
from ndrite.host.packet_channel import Channel, PacketChannel
from ndrite.host.session import ATTEMPTS, TIMEOUT_S, Session

WRITE_ROUNDS = 3


class Device:
    """The device at the other end of ``link``, which ``close`` closes too. It holds
    programs that a back end has laid out for its geometry.

    Parameters
    ----------
    link:
        The byte stream to the device.
    timeout_s:
        Longest silence before a retry, seconds.
    attempts:
        Retries in a row before giving up.

    Raises
    ------
    LinkTimeout
        Nothing answers.
    IdentityError
        What answers is not a device that this host can drive.
    """

    magic = MAGIC
    register_maps: tuple[int, int] = REGISTER_MAPS

    _together: int
    """How many samples of the loaded program the device walks together."""

    def __init__(self, link: Link, *, timeout_s: float = TIMEOUT_S, attempts: int = ATTEMPTS) -> None:
        self._open(PacketChannel(link, timeout_s=timeout_s, attempts=attempts))

    @classmethod
    def over(cls, channel: Channel) -> Self:
        """Open a device through ``channel``, such as a PCIe channel, which does not
        carry packets. Raises the same errors as the constructor."""
        device = cls.__new__(cls)
        device._open(channel)
        return device

    def _open(self, channel: Channel) -> None:
        self._channel = channel
        self._program: Program | None = None
        self._order: npt.NDArray[np.int64] | None = None
        # A random mark that is written to the device: it tells this device from one
        # that has lost power or was opened by another host since.
        self._mark = secrets.randbits(31) + 1
        try:
            self._identity = read_identity(
                lambda first, count: [int(w) & 0xFFFFFFFF for w in self.read_words(first, count)],
                self.magic,
                self.register_maps,
            )
            channel.fit(self.geometry, self._identity.protocol)
            self.write_register("host_mark", self._mark)
        except BaseException:
            channel.close()
            raise

    def __repr__(self) -> str:
        return told(self, f"array {self.geometry.name!r}, build {self.build_id:016x}", self._program)

    @property
    def geometry(self) -> Geometry:
        """The geometry of the device's array, as the device reported it."""
        return self._identity.geometry

    @property
    def build_id(self) -> int:
        """The device's 64-bit build id."""
        return self._identity.build_id

    @property
    def channel(self) -> Channel:
        """The channel through which the device is driven."""
        return self._channel

    @property
    def session(self) -> Session:
        """The packet session with the device, which counts faults. Raises TypeError if
        the channel does not carry packets."""
        if not isinstance(self._channel, PacketChannel):
            raise TypeError("this board has no packet channel")
        return self._channel.session

    def wait(self, seconds: float) -> None:
        """Let the device work for ``seconds``, which are simulated seconds on a
        simulated device."""
        self._channel.wait(seconds)

    def identity(self) -> dict[str, Any]:
        """Return the device's protocol version, build id, geometry and programming state."""
        return {
            "board": "gateware",
            "protocol": "{}.{}".format(*self._identity.protocol),
            "build_id": f"{self.build_id:016x}",
            "register_map": f"{self._identity.register_map:08x}",
            "geometry": {"name": self.geometry.name, **self.geometry.hardware_fields()},
            "program_tag": f"{self.read_register('program_tag'):08x}",
        }

    # -- methods that read and write words and registers

    def read_words(self, first: int, count: int) -> npt.NDArray[np.int32]:
        """Read ``count`` words from word address ``first`` up, int32 (count,)."""
        return self._channel.read(first, count)

    def write_words(self, first: int, words: npt.NDArray[np.int32]) -> None:
        """Write ``words`` int32 (n,) from word address ``first`` up. Afterwards the
        chip counts as not programmed."""
        if self.read_register("program_tag"):
            self.write_register("program_tag", 0)
        self._channel.write([Section("words", first, words)], lambda _: None)

    def check_words(self, first: int, words: npt.NDArray[np.int32]) -> bool:
        """Return whether the CRC that the device computes over its words from address
        ``first`` up equals the CRC of ``words``."""
        return not self._channel.differing([Section("words", first, words)])

    def read_register(self, name: str) -> int:
        """Return the value of the register called ``name``, u32. Raises KeyError
        for an unknown name."""
        return self.read_words(BY_NAME[name].address, 1).item() & 0xFFFFFFFF

    def write_register(self, name: str, value: int) -> None:
        """Set the register called ``name`` to a u32 value.

        Raises
        ------
        InputError
            The register is read-only or the value does not fit.
        """
        register = BY_NAME[name]
        if register.access == "ro":
            raise InputError(f"register {name} is read-only")
        if not 0 <= value < 1 << 32:
            raise InputError(f"register {name}: value is {value}; accepted: 0..2^32-1")
        self._channel.write_register(register.address, value)

    def counters(self) -> dict[str, int]:
        """Return the value of every counter by name, u32. The counters are read one
        packet at a time, while the device is idle."""
        words = self.read_words(BY_NAME[COUNTERS[0]].address, len(COUNTERS))
        return {name: int(w) & 0xFFFFFFFF for name, w in zip(COUNTERS, words, strict=True)}

    def clear_counters(self) -> None:
        """Set every counter to 0."""
        self.write_register("counter_clear", 1)

    # -- methods that load programs and run inferences

    def load(
        self,
        program: Program,
        sections: list[Section],
        *,
        order: npt.NDArray[np.int64] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Load ``program``, which is laid out in ``sections`` of memory words: only
        sections that differ are written, and all words are verified.

        ``order``: which code of a sample is sent when, where not one after the other.

        Raises
        ------
        VerifyError
            A section reads back other than written.
        HostError
            Link or device failed. After this or Ctrl-C the chip refuses inference until
            programmed again.
        """
        self._program = None
        stop_campaign(self)
        # Comparing takes the device a CRC of each section, about half of the time of
        # writing: not worth it if the chip is empty.
        blank = self.read_register("program_tag") == 0
        wrong = sections if blank else self._channel.differing(sections)
        if wrong or not self._holds(program):
            # From here until all sections are written, the chip holds parts of two
            # programs; tag 0 makes it refuse inference.
            self.write_register("program_tag", 0)
            self._write_until_equal(sections, wrong, progress)
            self.write_register("program_tag", program.tag)
        if progress is not None:
            total = sum(s.words.size for s in sections)
            progress(total, total)
        self._program, self._order = program, order
        self._together = _samples_together(sections)

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return the outputs int32 (n, outputs) for input codes uint8 (n, inputs), as
        ``BoardApi.infer`` does."""
        program = self._require_program()
        x = check_inputs(x, program, seed=seed, first_index=first_index, noise=noise)
        x = x if self._order is None else x[:, self._order]
        self._require_held(program.tag, f"program {program.name!r}")
        self._set_noise(seed, noise)
        y = np.empty((len(x), program.outputs), np.int32)

        done = 0

        def counted(more: int) -> None:
            nonlocal done
            done += more
            if progress is not None:
                progress(done, len(x))

        try:
            self._channel.infer(x, first_index, y, counted, self._together)
        except DeviceError as error:
            if error.status == Status.NOT_PROGRAMMED:
                raise NotProgrammedError(
                    "the chip lost its program during inference; program again"
                ) from None
            raise
        return y

    def campaign(
        self,
        x: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.integer],
        plan: Campaign,
        *,
        progress: Progress | None = None,
    ) -> CampaignResult:
        """Run samples on virtual chips, which the device itself samples, and return the
        votes, as ``BoardApi.campaign`` does.

        Images that the device's buffer cannot hold at once are run in several batches,
        each on every chip.
        """
        program = self._require_program()
        if not program.is_chain:
            raise InputError(
                f"program {program.name!r} is not a chain of full layers; accepted for virtual chips on "
                "a device: a chain (ndrite.connect runs others on the golden model)"
            )
        check_variation(program, self.geometry)
        plan.check(x, labels, program.inputs)
        self._require_held(program.tag, f"program {program.name!r}")
        self._set_noise(plan.seed, plan.noise)
        sent = x if self._order is None else x[:, self._order]
        result = run_campaign(self, program, sent, labels, plan, progress)
        self._require_held(program.tag, f"program {program.name!r}")
        return result

    def compare(self, program: Program, sections: list[Section]) -> list[Upset]:
        """Compare the chip's memories with ``sections``, by CRCs that the device
        computes. Return what has changed in the chip, and write the right words again.

        Raises
        ------
        NotProgrammedError
            The chip does not hold ``program``.
        VerifyError
            A section stays wrong after every retry.
        HostError
            Link or device failed. The chip then refuses inference until programmed again.
        """
        if not self._holds(program):
            raise NotProgrammedError(f"the chip does not hold program {program.name!r}; program it first")
        stop_campaign(self)
        wrong = self._channel.differing(sections)
        upsets = [examine(section, self.read_words) for section in wrong]
        if wrong:
            self.write_register("program_tag", 0)
            self._write_until_equal(wrong, wrong, None)
            self.write_register("program_tag", program.tag)
        return upsets

    def close(self) -> None:
        """Close the link to the device. The program stays on the device."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _require_program(self) -> Program:
        if self._program is None:
            raise NotProgrammedError("nothing is programmed on this board; call program() first")
        return self._program

    def _require_held(self, program_tag: int, name: str) -> None:
        tag, mark = (int(w) & 0xFFFFFFFF for w in self.read_words(BY_NAME["program_tag"].address, 2))
        if mark != self._mark:
            cause = "another host has opened the board" if mark else "the board was reset or without power"
            raise NotProgrammedError(f"{cause} since it was opened here; open it and program again")
        if tag != program_tag:
            raise NotProgrammedError(f"the chip no longer holds {name}; program again")

    def _set_noise(self, seed: int, noise: bool) -> None:
        self.write_register("seed_low", seed & 0xFFFFFFFF)
        self.write_register("seed_high", seed >> 32)
        self.write_register("noise_enable", int(noise))

    def _holds(self, program: Program) -> bool:
        return self.read_register("program_tag") == program.tag

    def write_sections(self, sections: list[Section]) -> None:
        """Write those sections whose words the device does not already hold. Raises the
        same errors as ``load``."""
        self._write_until_equal(sections, self._channel.differing(sections), None)

    def _write_until_equal(
        self, sections: list[Section], wrong: list[Section], progress: Progress | None
    ) -> None:
        total = sum(s.words.size for s in sections)
        for _ in range(WRITE_ROUNDS):
            if not wrong:
                return
            done = total - sum(s.words.size for s in wrong)
            self._write(wrong, done, total, progress)
            wrong = self._channel.differing(wrong)
        names = ", ".join(s.name for s in wrong[:4])
        raise VerifyError(
            f"{len(wrong)} memory sections read back other words than were written, after {WRITE_ROUNDS} "
            f"rounds: {names}; check cable and power supply, or rebuild the gateware"
        )

    def _write(self, sections: list[Section], done: int, total: int, progress: Progress | None) -> None:
        def counted(words: int) -> None:
            nonlocal done
            done += words
            if progress is not None:
                progress(done, total)

        self._channel.write(sections, counted)


def _samples_together(sections: list[Section]) -> int:
    """Return how many samples of the program that is laid out in ``sections`` the
    device walks together."""
    word, low, width = HEADER["samples"]
    for section in sections:
        if section.address == address("steps"):
            return max(1, int(section.words[word]) >> low & ((1 << width) - 1))
    return 1
