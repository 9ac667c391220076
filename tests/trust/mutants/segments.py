"""Programs in segments: where they are cut, what is swapped, and what is carried from one to the next."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

STEPPED = ("tests/boards/test_stepped.py",)
HELD = (*STEPPED, "-k", "batch_goes or added_once or random_programs")
BY_HAND = ("tests/emulator/spec/test_segments.py",)
CUT, RUN, FACE = "emulator/spec/segments.py", "boards/segmented.py", "boards/stepped.py"

MUTANTS = (
    Mutant(
        RUN,
        "first = int(index[low]) if draw.noise else 0",
        "first = 0",
        "patches on a board share the first one's read noise",
        STEPPED,
    ),
    Mutant(
        RUN,
        "(np.flatnonzero(np.diff(index) != 1) + 1).tolist()",
        "[]",
        "calls of a sequence are numbered on",
        STEPPED,
    ),
    Mutant(
        CUT,
        "first_product=program.first_product + program.products_before(run.first),",
        "first_product=program.first_product,",
        "every segment's products are numbered from the program's first",
        HELD,
    ),
    Mutant(
        CUT,
        "makes = tuple(m for m in made if m in kept) or (made[-1],)",
        "makes = (made[-1],)",
        "of several maps that are asked for later only the last is carried",
        BY_HAND,
    ),
    Mutant(
        CUT,
        "{state.source for state in program.states if program.calls > 1}",
        "set()",
        "what states take over is not carried",
        BY_HAND,
    ),
    Mutant(
        CUT,
        "at += channels",
        "at = channels",
        "the third of several maps is read where the second is",
        BY_HAND,
    ),
    Mutant(
        CUT,
        "if shapes[m] != (channels, *sample[1:]):",
        "if False:",
        "maps of different rows are taken out of their join as vectors",
        HELD,
    ),
    Mutant(
        CUT,
        "line = V_MIN + width * np.arange(segments, dtype=np.int32)",
        "line = V_MIN + width * np.arange(1, segments + 1, dtype=np.int32)",
        "codes are picked out of several maps a segment of the table too high",
        BY_HAND,
    ),
    Mutant(
        CUT,
        "if last.skip is not None and last.skip < before:",
        "if last.skip is not None:",
        "a second operand made in a segment is left to the host, which has none",
        HELD,
    ),
    Mutant(
        CUT,
        "return 1, int(segment.piece is None or segment.sums), len(carried), codes",
        "return 0, int(segment.piece is None or segment.sums), len(carried), codes",
        "not the fewest segments",
        HELD,
    ),
    Mutant(
        CUT,
        "return 1, int(segment.piece is None or segment.sums), len(carried), codes",
        "return 1, int(segment.piece is None or segment.sums), 0, codes",
        "of as many segments not those that carry fewest maps",
        BY_HAND,
    ),
    Mutant(
        RUN,
        "if self.on_array is piece:",
        "if self.on_array is not None:",
        "the first segment stays on the array",
        HELD,
    ),
    Mutant(RUN, "        self._board.program(piece)\n", "", "the swap is left out", HELD),
    Mutant(
        RUN,
        "left = last if _adds_none(segment.piece) else dataclasses.replace(last, skip=None)",
        "left = last",
        "a second operand that the device added is added again",
        HELD,
    ),
    Mutant(
        RUN,
        "if not np.array_equal(self._laid.get(section.address, ()), section.words):",
        "if True:",
        "words that stay are counted as swapped",
        HELD,
    ),
    Mutant(
        FACE,
        "first_index=first_index + start, done=done",
        "first_index=first_index, done=done",
        "every batch has the first one's inference numbers",
        HELD,
    ),
    Mutant(
        FACE,
        "            self._waiting = not program.is_chain\n",
        "            self._board.program(program)\n",
        "a campaign of the host's programs the device",
        (*STEPPED, "-k", "campaign_programs_nothing"),
    ),
    Mutant(
        FACE,
        "if program.is_chain and not segmented.pieces:",
        "if False:",
        "a chain that fits nowhere is the host's without a word",
        STEPPED,
    ),
)
