"""Faults where inferences overlap: order, banks, columns on the move, noise ahead of passes."""

from __future__ import annotations

from tests.trust.mutants.mutant import BLOCKS, CORE, DRIVER, Mutant

SEQUENCER = (BLOCKS, "-k", "sequencer_of_overlapping")
NOISE = (BLOCKS, "-k", "noise_ahead")
OVERLAP = (CORE, "-k", "test_core_equals_golden and overlap-skip")
GROUPS = (CORE, "-k", "lane_groups and slow-readout")
FAST = (CORE, "-k", "lane_groups and fast-readout")
CAMPAIGN = ("tests/system/test_campaign.py", "-k", "overlap")

MUTANTS = (
    Mutant(
        "hdl/sequencer.py",
        "halfway.eq(Mux(first_layer, ~final_layer, ahead)),",
        "halfway.eq(first_layer & ~final_layer),",
        "an inference whose first layer came early is forgotten",
        SEQUENCER,
    ),
    Mutant(
        "hdl/sequencer.py",
        "own = Cat(current.bank[0], Const(0, 1))",
        "own = Const(0, 2)",
        "two inferences' activations in one bank",
        OVERLAP,
    ),
    Mutant(
        "hdl/array.py",
        "shift = self.shift & (taken == self.open)",
        "shift = self.shift & (self.open | (taken == 0))",
        "columns move with those of a short pass before them",
        FAST,
    ),
    Mutant(
        "hdl/array.py",
        "return capture + skew(geometry) if late else capture",
        "return capture + skew(geometry) + 1 if late else capture",
        "column registers given free a cycle early",
        GROUPS,
    ),
    Mutant(
        "hdl/readout.py",
        "before = arrival - release - 2",
        "before = arrival - release - 4",
        "given free too early, before their columns are there",
        FAST,
    ),
    Mutant(
        "hdl/readout.py",
        "& ~(full | running | begin)",
        "& ~(running | begin)",
        "given free by when columns arrived, though readout waited for noise",
        GROUPS,
    ),
    Mutant(
        "hdl/pass_noise.py",
        "self.keys[0].done & ~self.busy",
        "self.keys[0].done",
        "a key changes under a pass's samples",
        NOISE,
    ),
    Mutant(
        "hdl/pass_noise.py", "& energies.o.valid & ~rooting", "& energies.o.valid", "a root begun anew", NOISE
    ),
    Mutant(
        "hdl/pcie/inference.py",
        "take.eq(_least(_least(have, space), left))",
        "take.eq(_least(have, left))",
        "codes beyond a word of the bank are lost",
        (DRIVER, "-k", "hundred_images"),
    ),
    Mutant(
        "hdl/pcie/inference.py",
        "going.eq(self.run & ~lost)",
        "going.eq(self.run)",
        "inferences go on being started after the watchdog's reset",
        (DRIVER, "-k", "hangs"),
    ),
    Mutant(
        "hdl/campaign.py",
        "Cat(Const(0, 2), position[2])",
        "Const(0, 3)",
        "every code of a word into its lower half",
        CAMPAIGN,
    ),
    Mutant(
        "hdl/link/inferences.py",
        "Cat(numbers).word_select(answer_bank, 16)",
        "numbers[0]",
        "answers under another request's number",
        CAMPAIGN,
    ),
    Mutant(
        "hdl/sigma.py",
        "with m.If(count == MULTIPLY_LATENCY + 1):",
        "with m.If(count == MULTIPLY_LATENCY + 2):",
        "the wrong half's product is kept",
        (BLOCKS, "-k", "few_multipliers"),
    ),
    Mutant(
        "hdl/scanner.py",
        "Table([n * n for n in range(INPUT_MAX + 1)])",
        "Table([n * n - (n == INPUT_MAX) for n in range(INPUT_MAX + 1)])",
        "one square of 256 wrong by one",
        (CORE, "-k", "few_multipliers"),
    ),
)
