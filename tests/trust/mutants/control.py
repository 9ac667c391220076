"""Sequencing, campaigns and the link."""

from __future__ import annotations

from tests.trust.mutants.mutant import TOP, Mutant, block

MUTANTS = (
    Mutant(
        "hdl/sequencer.py",
        "bank, sink = Mux(layer == 0, current.bank, ~layer[0]), layer[0]",
        "bank, sink = Mux(layer == 0, current.bank, layer[0]), layer[0]",
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
        "hdl/votes.py",
        "better = first | (logit.z > best)",
        "better = first | (logit.z >= best)",
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
        "right.eq(crc == CRC_RESIDUE),",
        "right.eq(1),",
        "device takes damaged frames",
        block("receiver"),
    ),
    Mutant(
        "hdl/link/receiver.py",
        "whole.eq(count == wanted),",
        "whole.eq(1),",
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
        "zero_due.eq(data != 0xFF),",
        "zero_due.eq(1),",
        "full blocks gain a zero",
        ("tests/proofs/test_cobs.py",),
    ),
    Mutant(
        "hdl/link/cobs.py",
        "full.eq(run == 254)",
        "full.eq(run == 255)",
        "a block of 255 is sent",
        block("transmitter"),
    ),
    Mutant(
        "hdl/link/decision.py",
        "is_next.eq((version == VERSION) & (sequence == self.expected)),",
        "is_next.eq(version == VERSION),",
        "requests out of order are carried out",
        (TOP,),
    ),
    Mutant(
        "hdl/link/words.py",
        "self.refused.eq(~self.checking & (self.empty | many))",
        "self.refused.eq(~self.checking & self.empty)",
        "answers longer than a packet",
        (TOP, "tests/trust/test_device_fuzz.py"),
    ),
    Mutant(
        "hdl/link/executor.py",
        "m.d.sync += w.word.eq(~w.crc)",
        "m.d.sync += w.word.eq(w.crc)",
        "check sum not inverted",
        (TOP,),
    ),
    Mutant(
        "hdl/link/decision.py",
        "loads.eq(infers & fitting & ~bare),",
        "loads.eq(infers & fitting),",
        "an unprogrammed board infers",
        (TOP,),
    ),
    Mutant(
        "hdl/link/decision.py",
        "with m.If(infers & bare):",
        "with m.If(infers & bare & hollow):",
        "an unprogrammed board gives another reason",
        (TOP, "tests/trust/test_device_fuzz.py"),
    ),
)
