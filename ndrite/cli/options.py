"""Options that several commands share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
board_option = click.option(
    "--board", "url", default="golden:", show_default=True, metavar="URL", help="Board to run on."
)
seed_option = click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, (1 << 64) - 1),
    help="Read-noise seed; the same seed gives the same answers on every board.",
)
noise_option = click.option("--noise/--no-noise", default=True, help="Read noise on (default) or off.")
