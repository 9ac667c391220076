"""What users call and read."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

PUBLIC = ("tests/ndrite/test_public.py",)

MUTANTS = (
    Mutant(
        "emulator/spec/notebook.py",
        "return html.escape(str(value))",
        "return str(value)",
        "names reach a notebook as HTML",
        (*PUBLIC, "-k", "notebooks"),
    ),
    Mutant(
        "ndrite/compiled.py",
        "save_both(self.program, self.die, path)",
        "self.program.save(path)",
        "a compiled network is saved without its die",
        (*PUBLIC, "-k", "found_again"),
    ),
    Mutant(
        "ndrite/api/sources.py",
        "if isinstance(source, Compiled):\n        return source.die",
        "if isinstance(source, Compiled):\n        return die_of(program, source.program.name)",
        "the die of what was compiled is looked for in a file",
        (*PUBLIC, "-k", "notebooks or found_again"),
    ),
    Mutant(
        "ndrite/samples.py",
        "if (inputs is None) != (labels is None):",
        "if inputs is None and labels is not None:",
        "samples without labels are judged by another's labels",
        (*PUBLIC, "-k", "wrong_calls"),
    ),
    Mutant(
        "ndrite/api/compiling.py",
        "if depth is not None and lanes is None:",
        "if depth is None and lanes is not None:",
        "a depth without lanes is taken and dropped",
        (*PUBLIC, "-k", "wrong_calls"),
    ),
    Mutant(
        ".ci/doctor.py",
        "missing += needed and not have",
        "missing += not needed and not have",
        "what the demo needs may be missing",
        ("tests/test_doctor.py",),
    ),
    Mutant(
        "ndrite/intervals.py",
        "if won > lost:\n        low, high = -high, -low",
        "if lost > won:\n        low, high = -high, -low",
        "the interval of a loss has the sign of a gain",
        ("tests/ndrite/test_intervals.py", "-k", "never_negative"),
    ),
    Mutant(
        "ndrite/intervals.py",
        "total, b, c = n + 2.0, lost + 0.5, won + 0.5",
        "total, b, c = float(n), float(lost), float(won)",
        "no difference at all has no interval",
        ("tests/ndrite/test_intervals.py", "-k", "paired"),
    ),
    Mutant(
        "emulator/mapping/explain/explain.py",
        "lost, won = int((known & ~right).sum()), int((right & ~known).sum())",
        "won, lost = int((known & ~right).sum()), int((right & ~known).sum())",
        "what a cause loses is called won",
        ("tests/emulator/mapping/explain/test_explain.py",),
    ),
    Mutant(
        "ndrite/campaigns.py",
        "as_good = [float((accuracy >= a).mean()) for a in accuracy]",
        "as_good = [float((accuracy > a).mean()) for a in accuracy]",
        "a chip at the threshold does not count for the yield",
        ("tests/ndrite/test_campaign_command.py", "-k", "figure"),
    ),
    Mutant(
        "emulator/device/description/schema.py",
        'return self.columns // 2 if self.pairs == "interleaved" else self.columns',
        "return self.columns",
        "pairs beside each other take half an array",
        ("tests/ndrite/test_report.py", "-k", "beside"),
    ),
)
