"""The PCIe engine."""

from __future__ import annotations

from tests.trust.mutants.mutant import DRIVER, PCIE, Mutant

MUTANTS = (
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
        "fits = looked.good & sized & (looked.byte_count == looked_remaining)",
        "fits = looked.good & sized",
        "a completion of the wrong byte count is taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "~owed.bit_select(tail, 1) & ~stopped",
        "~stopped",
        "late completions of cancelled reads are taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "free = (used != self.tags) & ",
        "free = ",
        "more reads than tags",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "looked.payload == double_words(looked.byte_count)",
        "Const(1)",
        "a completion longer than its byte count is taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "~looked.payload[0])",
        "Const(1))",
        "a completion that ends within a word is taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "ours.eq((arrival.requester == self.config.requester_id) & (",
        "ours.eq((",
        "completions for another requester are taken",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "(final | (looked.payload == 0))",
        "Const(1)",
        "half an answer ends a tag's quarantine",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "owed.eq(owed & current)",
        "owed.eq(owed)",
        "a quarantine never ends",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/reader.py",
        "owed.eq(owed & current)",
        "owed.eq(0)",
        "a quarantine's end frees tags of reads under way",
        (PCIE, "-k", "dma"),
    ),
    Mutant(
        "hdl/pcie/ring.py",
        "| ~may_interrupt | resetting",
        "| ~may_interrupt",
        "an interrupt never taken holds up a reset",
        (PCIE, "-k", "endpoint"),
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
