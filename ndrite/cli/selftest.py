"""ndrite selftest: test a board."""

from __future__ import annotations

import click

from ndrite.cli.main import CheckFailed
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table
from ndrite.url import connect


@click.command()
@click.argument("url")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the test data.")
@json_option
def command(url: str, seed: int, as_json: bool) -> None:
    """Test registers, memories (all words) and random networks against the golden model, bit for bit.

    What was programmed on the board is lost. Exit code 1 when any check fails.

    \b
    Example: ndrite selftest sim:tiny
    """
    from ndrite.selftest import selftest

    checks = []
    with connect(url) as board:
        for check in selftest(board, seed=seed):
            checks.append(check)
            mark = "ok  " if check.passed else "FAIL"
            click.echo(f"{mark} {check.name}: {check.seen}", err=True)
    failed = sum(not check.passed for check in checks)
    if as_json:
        print_json({"board": url, "failed": failed, "checks": [check.as_dict() for check in checks]})
    else:
        rows = [(c.name, "ok" if c.passed else "FAIL", c.seen) for c in checks]
        print_table(f"self test of {url}", ("check", "result", "seen"), rows)
    if failed:
        raise CheckFailed(f"{failed} of {len(checks)} checks failed")
