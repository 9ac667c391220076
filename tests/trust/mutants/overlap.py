"""Faults where inferences overlap: order, banks, columns on the move, noise ahead of passes."""

from __future__ import annotations

from tests.trust.mutants.mutant import BLOCKS, CORE, DRIVER, Mutant

SEQUENCER = (BLOCKS, "-k", "sequencer_of_overlapping")
READOUT = (BLOCKS, "-k", "back_to_back")
NOISE = (BLOCKS, "-k", "noise_ahead")
OVERLAP = (CORE, "-k", "test_core_equals_golden and overlap-skip")
GROUPS = (CORE, "-k", "lane_groups and slow-readout")
FAST = (CORE, "-k", "lane_groups and fast-readout")
CAMPAIGN = ("tests/system/test_campaign.py", "-k", "overlap")

MUTANTS = (
    Mutant(
        "hdl/control/sequencer.py",
        "halfway.eq(Mux(first_layer, ~final_layer, ahead)),",
        "halfway.eq(first_layer & ~final_layer),",
        "an inference whose first layer came early is forgotten",
        SEQUENCER,
    ),
    Mutant(
        "hdl/control/sequencer.py",
        "own = Cat(current.bank[0], Const(0, 1))",
        "own = Const(0, 2)",
        "two inferences' activations in one bank",
        OVERLAP,
    ),
    Mutant(
        "hdl/parts/waiting_sums.py",
        "moves[i + 1].eq(full[i] & (~full[i + 1] | moves[i + 2]))",
        "moves[i + 1].eq(full[i])",
        "sums move up over those before them",
        FAST,
    ),
    Mutant(
        "hdl/parts/waiting_sums.py",
        "full[i].eq(moves[i] | (full[i] & ~moves[i + 1]))",
        "full[i].eq((moves[i] | full[i]) & ~moves[i + 1])",
        "a place is free though other sums move up into it",
        FAST,
    ),
    Mutant(
        "hdl/control/emitter.py",
        "more = Signal(places, init=-1)",
        "more = Signal(places + 1, init=-1)",
        "a pass more than there are places for",
        FAST,
    ),
    Mutant(
        "hdl/readout/back_to_back.py",
        "release = capture_latency(g, platform) + EMITTER_CYCLES",
        "release = capture_latency(g, platform) + EMITTER_CYCLES + 1",
        "a place in line given free a cycle early",
        GROUPS,
    ),
    Mutant(
        "hdl/readout/back_to_back.py",
        "self.close_next.eq(Mux(begin, total == 1, running & (count == 2)))",
        "self.close_next.eq(begin)",
        "the next columns come as those before them begin to move",
        OVERLAP,
    ),
    Mutant(
        "hdl/noise/samples.py",
        "self.turns.ready.eq(~busy)",
        "self.turns.ready.eq(1)",
        "a key changes under a pass's samples",
        NOISE,
    ),
    Mutant(
        "hdl/noise/pass_schedule.py",
        "energies.valid & ~rooting.bit_select(taking, 1)",
        "energies.valid",
        "a root begun anew",
        NOISE,
    ),
    Mutant(
        "hdl/readout/back_to_back.py",
        "& (there != 0)",
        "",
        "columns read out before they are there",
        OVERLAP,
    ),
    Mutant(
        "hdl/readout/back_to_back.py",
        "spare.eq(self.samples_level - Mux(running & now.noisy, samples_left, 0)),",
        "spare.eq(self.samples_level),",
        "the next pass counts on samples that this one takes",
        OVERLAP,
    ),
    Mutant(
        "hdl/readout/back_to_back.py",
        "& ~begun",
        "",
        "a pass begins on what was free before the last one did",
        READOUT,
    ),
    Mutant(
        "hdl/noise/pass_schedule.py",
        "Array(turns)[giving]",
        "turns[0]",
        "every second turn is the first key's",
        NOISE,
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
        "unread.eq(unread + ready - self.input_done)",
        "unread.eq(unread + ready - begun)",
        "a sample is loaded over one that is still read",
        (DRIVER, "-k", "hundred_images"),
    ),
    Mutant(
        "hdl/pcie/inference.py",
        "going.eq(self.run & ~lost & ~self.hung)",
        "going.eq(self.run)",
        "inferences go on being started after the watchdog's reset",
        (DRIVER, "-k", "hangs"),
    ),
    Mutant(
        "hdl/campaign/campaign.py",
        "Cat(Const(0, 2), position[2])",
        "Const(0, 3)",
        "every code of a word into its lower half",
        CAMPAIGN,
    ),
    Mutant(
        "hdl/link/inferences.py",
        "Cat(asked).word_select(answer_bank, 18)",
        "asked[0]",
        "answers under another request's number",
        CAMPAIGN,
    ),
)
