"""The mutants: where each fault goes, what it is, and the tests that should find it."""

from __future__ import annotations

from dataclasses import dataclass

BLOCKS = "tests/hdl/test_blocks.py"
CORE = "tests/hdl/test_core.py"
TOP = "tests/hdl/test_top.py"
GOLDEN = "tests/emulator/golden"
PCIE = "tests/hdl/pcie/test_endpoint.py"
DRIVER = "tests/host/pcie/test_driver.py"


@dataclass(frozen=True)
class Mutant:
    """``old`` stands once in ``file`` and becomes ``new``; ``tests`` are pytest's arguments."""

    file: str
    old: str
    new: str
    fault: str
    tests: tuple[str, ...]

    @property
    def layer(self) -> str:
        """The folder the fault is in."""
        return (
            self.file.split("/")[0]
            if not self.file.startswith("emulator")
            else "/".join(self.file.split("/")[:2])
        )


def block(name: str) -> tuple[str, ...]:
    """The bench of one RTL block."""
    return (BLOCKS, "-k", f"test_block_equals_golden and {name}")


MUTANTS = (
    # The arithmetic of the golden model.
    Mutant(
        "emulator/spec/arithmetic.py",
        "(v + (1 << (s - 1))) >> s",
        "(v + (1 << (s - 1)) - 1) >> s",
        "a half rounds down",
        ("tests/emulator/spec",),
    ),
    Mutant(
        "emulator/spec/arithmetic.py",
        "return r - (r * r > v)",
        "return r",
        "equivalent: below 2^50 the root of a float never rounds up to the next integer",
        ("tests/emulator/spec",),
    ),
    Mutant(
        "emulator/spec/arithmetic.py",
        "(x >> (j * dac_bits)) & ((1 << dac_bits) - 1)",
        "(x >> j) & ((1 << dac_bits) - 1)",
        "slices overlap",
        ("tests/emulator/spec", GOLDEN),
    ),
    Mutant(
        "emulator/golden/readout.py",
        "clip(c, -half, half - 1)",
        "clip(c, -half, half)",
        "ADC range one code too wide",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/readout.py",
        "return c << (dac_slice * layer.dac_bits)",
        "return c << dac_slice",
        "slices weighted by their number",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/neuron.py",
        "segment = (v - V_MIN) >> f",
        "segment = (v - V_MIN + 1) >> f",
        "segment border off by one",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/neuron.py",
        "(base << f) + slope * r, f + h), 0, INPUT_MAX)",
        "(base << f) + slope * r, f + h), 0, 256)",
        "activation clip one too high",
        (GOLDEN + "/test_core.py",),
    ),
    Mutant(
        "emulator/golden/noise.py",
        "+ ((var_cell * energy.astype(np.int64)) >> 8)",
        "+ ((var_cell * energy.astype(np.int64)) >> 7)",
        "cell noise twice as large",
        (GOLDEN + "/test_core.py", GOLDEN + "/test_noise.py"),
    ),
    Mutant(
        "emulator/golden/noise.py",
        "np.minimum(isqrt(radicand), SIGMA_MAX)",
        "isqrt(radicand)",
        "sigma not limited",
        (GOLDEN,),
    ),
    Mutant(
        "emulator/golden/noise.py",
        "round_key = key[:, i % 4, None] ^ np.uint16(i)",
        "round_key = key[:, i % 4, None]",
        "round constant left out",
        (GOLDEN + "/test_noise.py",),
    ),
    Mutant(
        "emulator/golden/redraw.py",
        "np.where(u < variation.stuck_low,",
        "np.where(u <= variation.stuck_low,",
        "one stuck cell in 65536 too many",
        (GOLDEN + "/test_redraw.py",),
    ),
    Mutant(
        "emulator/golden/redraw.py",
        "g[..., 1], uniform[..., 1], variation)",
        "g[..., 0], uniform[..., 1], variation)",
        "both cells of a pair share one sample",
        (GOLDEN + "/test_redraw.py",),
    ),
    Mutant(
        "emulator/golden/fast_loops.py",
        "min(max(c, -top - 1), top) << left",
        "min(max(c, -top), top) << left",
        "compiled ADC's lowest code missing",
        (GOLDEN,),
    ),
    Mutant(
        "emulator/golden/fast_loops.py",
        "sigma[b] = min(root(radicand), 65535)",
        "sigma[b] = root(radicand)",
        "compiled sigma not limited",
        (GOLDEN,),
    ),
    # Compiling.
    Mutant(
        "emulator/compile/pwl.py",
        "base = np.rint((residual.max(axis=-1) + residual.min(axis=-1)) / 2 * unit)",
        "base = np.rint(residual.max(axis=-1) * unit)",
        "line laid above its curve",
        ("tests/emulator/compile/test_pwl.py",),
    ),
    Mutant(
        "emulator/compile/weights.py",
        "codes = np.minimum(code_plus, top) - np.minimum(code_minus, top)",
        "codes = code_plus - code_minus",
        "codes not limited",
        ("tests/emulator/compile",),
    ),
    Mutant(
        "emulator/compile/weights.py",
        "unit=limits * (scale / (top * (cell.g_max_uS - cell.g_min_uS)))",
        "unit=limits * (scale / (top * cell.g_max_uS))",
        "unit of a code from the wrong range",
        ("tests/emulator/compile",),
    ),
    Mutant(
        "emulator/compile/weights.py",
        "np.maximum(np.stack([levels, -levels]), 0)",
        "np.abs(np.stack([levels, -levels]))",
        "both cells of a pair programmed",
        ("tests/emulator/compile",),
    ),
    # Packets and session.
    Mutant(
        "host/packets.py",
        'if zlib.crc32(body) != int.from_bytes(crc, "little"):',
        "if False:",
        "host takes damaged frames",
        ("tests/host/test_packets.py", "tests/host/test_session.py"),
    ),
    Mutant(
        "host/packets.py",
        "if len(payload) != length:",
        "if len(payload) < length:",
        "host takes overlong payloads",
        ("tests/host/test_packets.py", "tests/trust/test_parsers.py"),
    ),
    Mutant(
        "host/packets.py",
        "response.opcode | RESPONSE_FLAG,",
        "response.opcode,",
        "response without its flag",
        ("tests/host/test_packets.py",),
    ),
    Mutant(
        "host/session.py",
        "if response.sequence != sequence or response.opcode != command.opcode:",
        "if response.opcode != command.opcode:",
        "host takes another request's answer",
        ("tests/host/test_session.py",),
    ),
    Mutant(
        "host/session.py",
        "            self._synced = False\n            raise\n",
        "            raise\n",
        "after an interruption the session goes on as if in step",
        ("tests/host",),
    ),
    Mutant(
        "host/session.py",
        "flight = deque(self._send(command) for _, command in flight)",
        "flight = deque(self._send(command) for _, command in list(flight)[1:])",
        "the unanswered request is not sent again",
        ("tests/host/test_session.py",),
    ),
    Mutant(
        "host/session.py",
        "if len(response.payload) != length:",
        "if len(response.payload) > length:",
        "host takes short answers",
        ("tests/host/test_session.py",),
    ),
    # The datapath's blocks.
    Mutant(
        "hdl/lane.py",
        "Mux(self.load, 0, self.accumulator) + multiplier.product",
        "self.accumulator + multiplier.product",
        "accumulator never cleared",
        block("array"),
    ),
    Mutant(
        "hdl/array.py",
        "write.eq(poke.lanes[i % at_once] & (poke.slot[:inner] == place)),",
        "write.eq(poke.lanes[i % at_once]),",
        "a weight goes to every lane of its group",
        block("array"),
    ),
    Mutant(
        "hdl/array.py",
        "if i + g.readouts < g.lanes:",
        "if i + g.readouts < g.lanes - 1:",
        "the last lane's sum is lost",
        block("array"),
    ),
    Mutant(
        "hdl/scanner.py",
        "Mux(flags[1], 0, self.energy[0]) + sums[0]",
        "self.energy[0] + sums[0]",
        "energy runs on over passes",
        (CORE, "-k", "tiny"),
    ),
    Mutant(
        "hdl/scanner.py",
        "visit.eq(nonzero | (last_2 & ~nonzero.any()))",
        "visit.eq(nonzero)",
        "a pass of zeros never ends",
        (CORE, "-k", "all-readouts-skip"),
    ),
    Mutant(
        "hdl/scanner.py",
        "kept = mask & rows_m[i].replicate(8)",
        "kept = mask",
        "rows beyond the tile are read",
        (CORE, "-k", "tiny"),
    ),
    Mutant(
        "hdl/readout_pipe.py",
        "rounded_10.eq(multiplier.product + self.half)",
        "rounded_10.eq(multiplier.product)",
        "readout rounds down",
        block("readout"),
    ),
    Mutant(
        "hdl/readout_pipe.py",
        "term_4.eq((noise.product + half) >> GAUSS_FRACTION)",
        "term_4.eq(noise.product >> GAUSS_FRACTION)",
        "noise rounds down",
        block("readout"),
    ),
    Mutant(
        "hdl/readout_pipe.py",
        "(small_13 < (~self.top).as_signed())",
        "(small_13 <= (~self.top).as_signed())",
        "equivalent: the lowest code is clipped to itself",
        block("readout"),
    ),
    Mutant(
        "hdl/readout_pipe.py",
        "(small_13 > self.top) & ~beyond_13[1]",
        "(small_13 > self.top)",
        "far below the range reads as above it",
        (*block("readout"),),
    ),
    Mutant(
        "hdl/neuron.py",
        "with m.If(~negative & rest.any()):",
        "with m.If(~negative & rest[1:].any()):",
        "voltage clip one bit late",
        block("neuron"),
    ),
    Mutant(
        "hdl/neuron.py",
        "same = ~layer.layer_end",
        "same = Const(1)",
        "settings change under a running layer",
        (CORE, "-k", "tiny or bare"),
    ),
    Mutant(
        "hdl/neuron.py",
        "half.eq((Const(1, 1) << shift) >> 1),",
        "half.eq((Const(1, 1) << shift) >> 2),",
        "curve rounds at a quarter",
        block("neuron"),
    ),
    Mutant("hdl/neuron.py", "low.eq(y_22 < 0),", "low.eq(0),", "negative activations wrap", block("neuron")),
    Mutant(
        "hdl/sigma.py",
        "self.sigma.eq(Mux(root > SIGMA_MAX, SIGMA_MAX, root))",
        "self.sigma.eq(root)",
        "sigma wraps",
        (*block("noise"),),
    ),
    Mutant(
        "hdl/sigma.py",
        "fits = trial >= candidate",
        "fits = trial > candidate",
        "root of a square one too small",
        block("noise"),
    ),
    Mutant(
        "hdl/redraw.py",
        "+ (1 << (2 * CODE_FRACTION - 1))",
        "+ (1 << (2 * CODE_FRACTION - 2))",
        "drawn codes round at a quarter",
        block("redraw"),
    ),
    Mutant(
        "hdl/redraw.py",
        "with m.Elif(whole > code_max):",
        "with m.Elif(whole >= code_max):",
        "equivalent: the largest code becomes itself",
        block("redraw"),
    ),
    Mutant(
        "hdl/redraw.py",
        "m.d.sync += [slot.eq(0), address.eq(address + inputs)]",
        "m.d.sync += [slot.eq(0), address.eq(address + inputs + 1)]",
        "second column group one word off",
        block("redraw"),
    ),
    # Sequencing, campaigns, link.
    Mutant(
        "hdl/sequencer.py",
        "p.feed.bank.eq(Mux(layer == 0, self.start.payload.bank, ~layer[0])),",
        "p.feed.bank.eq(Mux(layer == 0, self.start.payload.bank, layer[0])),",
        "a layer reads the activations it writes",
        (*block("sequencer"),),
    ),
    Mutant(
        "hdl/sequencer.py",
        "rows_left.eq(rows_left - tile_rows),",
        "rows_left.eq(rows_left - tile_rows - 1),",
        "later tiles one row short",
        block("sequencer"),
    ),
    Mutant(
        "hdl/campaign.py",
        "better = (logit.column == 0) | (logit.z > best)",
        "better = (logit.column == 0) | (logit.z >= best)",
        "a tie goes to the last class",
        ("tests/system/test_campaign.py",),
    ),
    Mutant(
        "hdl/campaign.py",
        "self.stream.eq(self.first_chip + 1)",
        "self.stream.eq(self.first_chip)",
        "chips draw their neighbour's noise",
        ("tests/system/test_campaign.py",),
    ),
    Mutant(
        "hdl/link/receiver.py",
        "with m.Elif(crc != CRC_RESIDUE):",
        "with m.Elif(Const(0)):",
        "device takes damaged frames",
        block("receiver"),
    ),
    Mutant(
        "hdl/link/receiver.py",
        "with m.Elif(count != length + HEADER_BYTES + CRC_BYTES):",
        "with m.Elif(Const(0)):",
        "device takes frames of the wrong length",
        block("receiver"),
    ),
    Mutant(
        "hdl/link/receiver.py",
        "(no_room | (first & (used == self.window)))",
        "no_room",
        "a packet overwrites an unread one",
        block("receiver"),
    ),
    Mutant(
        "hdl/link/cobs.py",
        "zero_due.eq(self.data != 0xFF),",
        "zero_due.eq(1),",
        "full blocks gain a zero",
        ("tests/proofs/test_cobs.py",),
    ),
    Mutant(
        "hdl/link/cobs.py",
        "with m.If((scan == end) | (run == 254)):",
        "with m.If((scan == end) | (run == 255)):",
        "a block of 255 is sent",
        block("transmitter"),
    ),
    Mutant(
        "hdl/link/executor.py",
        "is_next.eq((version == VERSION) & (sequence == expected)),",
        "is_next.eq(version == VERSION),",
        "requests out of order are carried out",
        (TOP,),
    ),
    Mutant(
        "hdl/link/executor.py",
        "refused.eq((left == 0) | (bytes_wanted > g.packet_bytes)),",
        "refused.eq(left == 0),",
        "answers longer than a packet",
        (TOP, "tests/trust/test_device_fuzz.py"),
    ),
    Mutant(
        "hdl/link/executor.py",
        "m.d.sync += [word.eq(~crc), checking.eq(0), left.eq(1), byte.eq(0)]",
        "m.d.sync += [word.eq(crc), checking.eq(0), left.eq(1), byte.eq(0)]",
        "check sum not inverted",
        (TOP,),
    ),
    Mutant(
        "hdl/link/executor.py",
        "runs.eq((opcode == Opcode.INFER) & master.programmed & (length == master.inputs)),",
        "runs.eq((opcode == Opcode.INFER) & (length == master.inputs)),",
        "equivalent: `bare` refuses it a cycle later",
        (TOP,),
    ),
    Mutant(
        "hdl/link/executor.py",
        "bare.eq(~master.programmed),",
        "bare.eq(0),",
        "an unprogrammed board gives another reason",
        (TOP, "tests/trust/test_device_fuzz.py"),
    ),
    # PCIe.
    Mutant(
        "hdl/pcie/splitter.py",
        "room.eq((~address[:12] & mask) + 1)",
        "room.eq(mask + 1)",
        "requests cross 4 KiB",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/splitter.py",
        "last.eq(left <= room)",
        "last.eq(left < room)",
        "a transfer that fills its last part goes on",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/completions.py",
        "Cat(byte_count, byte_count == 0)",
        "Cat(byte_count, 0)",
        "a byte count of 4096 reads as 0",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/completions.py",
        "(first[45:48] == STATUS_SUCCESS) & ~first[14]",
        "(first[45:48] == STATUS_SUCCESS)",
        "poisoned data is taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "fits = looked.good & (looked.byte_count == looked_remaining)",
        "fits = looked.good",
        "a completion of the wrong byte count is taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "generation.eq(~generation),",
        "generation.eq(generation),",
        "late completions of cancelled reads are taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "free = (used != self.tags) & ~stopped",
        "free = ~stopped",
        "more reads than tags",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/ring.py",
        "with m.If(~self.writer_busy & self.flushed):",
        "with m.If(Const(1)):",
        "an interrupt before its record",
        (PCIE, "-k", "endpoint"),
    ),
    Mutant(
        "hdl/pcie/ring.py",
        "self.hung | ~config.bus_master",
        "self.hung",
        "bus mastering switched off goes unnoticed",
        (PCIE, "-k", "endpoint", DRIVER),
    ),
    Mutant(
        "hdl/pcie/bridge.py",
        "blocked = (region != 0) & self.occupied",
        "blocked = Const(0)",
        "memories open while a job runs",
        (PCIE, "-k", "endpoint"),
    ),
)
