"""Mutants of what saves time on the link: words that stream over the bus, samples without their zeros."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

REQUESTS = "tests/hdl/test_requests.py"
SPARSE = "tests/emulator/spec/test_sparse.py"
BOARD = "tests/host/test_board.py"

MUTANTS = (
    Mutant(
        "hdl/link/words.py",
        "ask.eq(more & (pace == 0))",
        "ask.eq(more & (pace[0] == 0))",
        "streamed words come faster than their bytes go",
        (REQUESTS, "-k", "in_turn"),
    ),
    Mutant(
        "hdl/link/words.py",
        "idle.eq((under_way == 0) & ~step & ~ask)",
        "idle.eq(~step & ~ask)",
        "the answer ends before the last streamed words are there",
        (REQUESTS, "-k", "in_turn"),
    ),
    Mutant(
        "hdl/link/words.py",
        "with m.If(bus.done & self.streams & bus.error):",
        "with m.If(bus.done & self.streams & bus.error & self.checking):",
        "streamed words behind the end of the memory are no error",
        (REQUESTS, "-k", "behind_the_last_weight"),
    ),
    Mutant(
        "hdl/link/words.py",
        "with m.If((step & one_left) | astray):",
        "with m.If(step & one_left):",
        "a sum goes on behind the end of the memory",
        (REQUESTS, "-k", "word_count"),
    ),
    Mutant(
        "hdl/link/words.py",
        "astray.eq(0), more.eq(1)",
        "more.eq(1)",
        "an error is that of every later request too",
        (REQUESTS, "-k", "behind_the_last_weight"),
    ),
    Mutant(
        "hdl/parts/bus.py",
        'delayed(m, at_hit, STREAM_LATENCY + 1, "behind")',
        'delayed(m, at_hit, STREAM_LATENCY, "behind")',
        "a streamed word's answer is taken a cycle early",
        (REQUESTS, "-k", "in_turn"),
    ),
    Mutant(
        "hdl/parts/bus.py",
        "(strobe | steps[-1]) & hit",
        "strobe | steps[-1]",
        "streamed writes behind the end of the memory are carried out",
        (REQUESTS, "-k", "behind_the_last_weight"),
    ),
    Mutant(
        "hdl/link/unpacker.py",
        "self.wrong.eq(rest.any() | bits.any())",
        "self.wrong.eq(rest.any())",
        "bits behind the last code are no error",
        (REQUESTS, "-k", "refused_in_its_turn"),
    ),
    Mutant(
        "hdl/link/unpacker.py",
        "self.wrong.eq(rest.any() | bits.any())",
        "self.wrong.eq(bits.any())",
        "a sparse payload may be longer or shorter",
        (REQUESTS, "-k", "refused_in_its_turn"),
    ),
    Mutant(
        "hdl/link/unpacker.py",
        "there.eq(self.run & ~ended & ~moved & ~moved_before)",
        "there.eq(self.run & ~ended & ~moved)",
        "a byte of a sparse payload is taken before it is there",
        (REQUESTS, "-k", "sparse_inferences"),
    ),
    Mutant(
        "hdl/link/inferences.py",
        "of_bank.eq(Cat(self.number, self.sparse, self.wrong))",
        "of_bank.eq(Cat(self.number, self.sparse))",
        "a wrong sparse payload is inferred",
        (REQUESTS, "-k", "refused_in_its_turn"),
    ),
    Mutant(
        "hdl/link/executor.py",
        "Mux(inferences.lost, Status.HUNG, Status.BAD_LENGTH)",
        "Mux(inferences.lost, Status.HUNG, Status.HUNG)",
        "a wrong sparse payload is said to have hung the core",
        (REQUESTS, "-k", "refused_in_its_turn"),
    ),
    Mutant(
        "hdl/link/decision.py",
        "loads.eq(infers & (fitting | self.sparse) & ~bare),",
        "loads.eq(infers & ~bare),",
        "a payload of another length is loaded",
        (REQUESTS, "-k", "dense_payload"),
    ),
    Mutant(
        "emulator/spec/sparse.py",
        "if bits >> min(GROUP, count - start):",
        "if bits >> GROUP:",
        "bits behind the last code are read over",
        (SPARSE,),
    ),
    Mutant(
        "host/packet_channel.py",
        "protocol >= SPARSE_PROTOCOL",
        "protocol >= (1, 0)",
        "a device that does not know of sparse samples is sent some",
        (BOARD, "-k", "zeros_stay"),
    ),
    Mutant(
        "host/packet_channel.py",
        "len(payload) < len(row)",
        "len(payload) < 2 * len(row)",
        "samples travel sparsely where that is longer",
        (BOARD, "-k", "zeros_stay"),
    ),
)
